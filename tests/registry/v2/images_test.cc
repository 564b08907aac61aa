#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/registry/v2/api.h"

namespace platter::platterd {
namespace {

constexpr std::string_view kNoImage = "00000000-0000-4000-8000-000000000000";

std::string Bytes(std::size_t size) {
  const registry::Bytes noise = registry::Noise(size);
  return {reinterpret_cast<const char*>(noise.data()), noise.size()};
}

// What qemu-img makes of a qcow2 with that backing file begins so.
std::string Qcow2WithBackingFile() {
  std::string image(65536, '\0');
  const std::string_view head(
      "QFI\xfb\0\0\0\2\0\0\0\0\0\0\1\0\0\0\0\13\0\0\0\20\0\0\0\0\0\20\0\0"
      "\0\0\0\0\0\0\0\1\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\1",
      60);
  image.replace(0, head.size(), head);
  image.replace(256, 11, "/etc/shadow");
  return image;
}

TEST_F(ApiTest, PathsThatAreRoutesAndPathsThatAreNone) {
  const struct {
    const char* caller;
    const char* method;
    const char* target;
    unsigned status;
  } kRows[] = {
      {"", "GET", "/", 300},
      {"", "GET", "/versions", 200},
      {"", "GET", "/v1/images", 300},
      {"", "GET", "/v2.99/images", 300},
      {"", "GET", "/v2", 302},
      {"", "GET", "/v2/images", 401},
      {"us", "GET", "/v2/", 404},
      {"us", "GET", "/v2/nothing", 404},
      {"us", "GET", "/v2/images", 200},
      {"us", "GET", "/v2.7/images", 200},
      {"us", "GET", "/v2/images/", 404},
      {"us", "PUT", "/v2/images", 405},
      {"us", "POST", "/v2/images/x/file", 405},
      {"us", "GET", "/v2/images/x/file/y", 404},
      {"us", "GET", "/v2/images/no-uuid", 404},
      {"us", "GET", "/v2/images?limit=-1", 400},
      {"us", "GET", "/v2/images?marker=00000000-0000-4000-8000-000000000000", 400},
      {"us", "GET", "/v2/schemas/image", 200},
      {"us", "GET", "/v2/schemas/none", 404},
      {"us", "GET", "/v2/info/import", 200},
      {"us", "GET", "/v2/info/stores", 404},
      {"us", "GET", "/v2/info/stores/detail", 403},
      {"us", "GET", "/v2/info/usage", 200},
      {"us", "GET", "/v2/tasks", 403},
      {"admin", "GET", "/v2/tasks", 200},
      {"admin", "GET", "/v2/tasks?limit=x", 400},
      {"admin", "GET", "/v2/tasks?sort_key=status&sort_dir=asc", 200},
      {"admin", "GET", "/v2/tasks?sort_key=owner", 400},
      {"admin", "GET", "/v2/tasks/00000000-0000-4000-8000-000000000000", 404},
      {"admin", "DELETE", "/v2/tasks/00000000-0000-4000-8000-000000000000", 405},
      {"us", "DELETE", "/v2/stores/file/00000000-0000-4000-8000-000000000000", 404},
  };
  for (const auto& row : kRows) {
    const Answered answered = Ask({.caller = row.caller, .method = row.method, .target = row.target});
    EXPECT_EQ(answered.status, row.status) << row.method << " " << row.target << "\n" << answered.body;
    EXPECT_EQ(answered.headers.Find("Allow").has_value(), row.status == 405) << row.target;
  }
}

TEST_F(ApiTest, TheListOfVersionsNamesThisService) {
  const auto versions = Get("/", "").json().at("versions");
  EXPECT_EQ(versions.at(0).at("id").as_string(), "v2.15");
  EXPECT_EQ(versions.at(0).at("status").as_string(), "CURRENT");
  EXPECT_EQ(versions.at(0).at("links").at(0).at("href").as_string(), "http://registry.example/v2/");
  EXPECT_EQ(versions.as_array().back().at("id").as_string(), "v2.0");
}

TEST_F(ApiTest, AnImageFromItsRecordToItsEnd) {
  const Answered made = Post("/v2/images", R"({"name":"one","disk_format":"raw","container_format":"bare","os":"x"})");
  ASSERT_EQ(made.status, 201U) << made.body;
  const std::string id = made.Text("id");
  EXPECT_EQ(made.headers.Find("Location"), "http://registry.example/v2/images/" + id);
  EXPECT_EQ(made.headers.Find("OpenStack-image-import-methods"), "glance-direct,web-download");
  EXPECT_EQ(made.Text("status"), "queued");
  EXPECT_EQ(made.Text("owner"), "us");
  EXPECT_EQ(made.Text("size"), "null");
  EXPECT_EQ(Get("/v2/images/" + id + "/file").status, 204U);

  const std::string bytes = Bytes(300000);
  ASSERT_EQ(Put("/v2/images/" + id + "/file", bytes).status, 204U);
  EXPECT_EQ(verdicts_, std::vector<std::string>{"accepted"});
  const Answered shown = Get("/v2/images/" + id);
  EXPECT_EQ(shown.Text("status"), "active");
  EXPECT_EQ(shown.Text("size"), "300000");
  EXPECT_EQ(shown.Text("virtual_size"), "300032");
  EXPECT_EQ(shown.Text("os"), "x");
  const Answered downloaded = Get("/v2/images/" + id + "/file");
  EXPECT_EQ(downloaded.status, 200U);
  EXPECT_TRUE(downloaded.body == bytes);
  EXPECT_EQ(downloaded.headers.Find("Content-MD5"), shown.Text("checksum"));

  EXPECT_EQ(Delete("/v2/images/" + id).status, 204U);
  EXPECT_EQ(Get("/v2/images/" + id).status, 404U);
  EXPECT_EQ(Delete("/v2/images/" + id).status, 404U);
  EXPECT_EQ(registry_.Files(), 0U);
  EXPECT_EQ(Post("/v2/images", fmt::format(R"({{"id":"{}"}})", id)).status, 409U);
}

TEST_F(ApiTest, WithoutAProjectNobodyMakesAnImage) {
  const Answered refused = Post("/v2/images", R"({"name":"everybody's"})", "reader@");
  EXPECT_EQ(refused.status, 403U);
  EXPECT_NE(refused.body.find("You are not permitted to create images owned by"), std::string::npos);
}

// A UUID is the same in either case: records, and so answers, have the lower one.
TEST_F(ApiTest, IdsInUpperCaseAreTheSame) {
  const std::string id = "5d33abcd-0000-4000-8000-0000000000ef";
  const std::string upper = "5D33ABCD-0000-4000-8000-0000000000EF";
  EXPECT_EQ(Post("/v2/images", R"({"disk_format":"raw","container_format":"bare","id":")" + upper + "\"}").Text("id"),
            id);
  EXPECT_EQ(Post("/v2/images", R"({"id":")" + upper + "\"}").status, 409U);
  const std::string image = "/v2/images/" + upper;
  EXPECT_EQ(Put(image + "/file", "bytes").status, 204U);
  EXPECT_EQ(Get(image + "/file").body, "bytes");
  EXPECT_EQ(Get(image).Text("id"), id);
  EXPECT_EQ(Patch(upper, R"([{"op":"replace","path":"/name","value":"one"}])").Text("name"), "one");
  EXPECT_EQ(Ask({.method = "PUT", .target = image + "/tags/a"}).status, 204U);
  EXPECT_EQ(Post(image + "/members", R"({"member":"them"})").Text("image_id"), id);
  EXPECT_EQ(Get(image + "/members/them").status, 200U);
  EXPECT_EQ(Get(image + "/tasks").status, 200U);
  for (const std::string& query : {"id=" + upper, "id=in:" + upper + ",x", "marker=" + upper}) {
    const Answered listed = Get("/v2/images?" + query);
    EXPECT_EQ(listed.status, 200U) << query;
    EXPECT_EQ(listed.json().at("images").as_array().size(), query[0] == 'm' ? 0U : 1U) << query;
  }
  EXPECT_EQ(Delete(image).status, 204U);
  EXPECT_EQ(registry_.Files(), 0U);
  EXPECT_EQ(Delete(image).status, 404U);
}

// What Nova sends for the snapshot of a server whose disks are volumes: the record says all, and there are no bytes.
TEST_F(ApiTest, ASnapshotOfVolumesIsActiveWithoutBytes) {
  for (const bool chunked : {false, true}) {
    const std::string id = Made(
        R"({"name":"snapshot","visibility":"private","disk_format":"qcow2","container_format":"bare","min_disk":1,)"
        R"("bdm_v2":"True","root_device_name":"/dev/vda",)"
        R"("block_device_mapping":"[{\"source_type\": \"snapshot\", \"boot_index\": 0}]"})");
    const Answered put = Ask({.method = "PUT",
                              .target = "/v2/images/" + id + "/file",
                              .type = "application/octet-stream",
                              .chunked = chunked});
    EXPECT_EQ(put.status, 204U) << put.body;
    const Answered shown = Get("/v2/images/" + id);
    EXPECT_EQ(shown.Text("status"), "active");
    EXPECT_EQ(shown.Text("size"), "0");
    EXPECT_EQ(shown.Text("virtual_size"), "0");
    EXPECT_EQ(shown.Text("root_device_name"), "/dev/vda");
    EXPECT_EQ(Get("/v2/images/" + id + "/file").body, "");
    EXPECT_EQ(Delete("/v2/images/" + id).status, 204U);
  }
}

struct TroubleRow {
  std::string_view what;
  void (*harm)(const std::filesystem::path& file);
  unsigned status;
  std::string_view trouble;
};

const TroubleRow kTroubles[] = {
    {"none", [](const std::filesystem::path&) {}, 200, ""},
    {"the file is gone", [](const std::filesystem::path& file) { std::filesystem::remove(file); }, 204,
     "the store has no such object"},
    {"the file is cut", [](const std::filesystem::path& file) { std::filesystem::resize_file(file, 999); }, 500,
     "the store holds something else"},
};

TEST_F(ApiTest, WhatIsWrongInsideIsForTheLogAlone) {
  for (const TroubleRow& row : kTroubles) {
    const std::string id = MadeActive(Bytes(1000));
    row.harm(fmt::format("{}/{}/{}/{}", folder_.File("r/file"), id.substr(0, 2), id.substr(2, 2), id));
    const Answered answered = Get("/v2/images/" + id + "/file");
    EXPECT_EQ(answered.status, row.status) << row.what;
    EXPECT_EQ(answered.trouble.empty(), row.trouble.empty()) << row.what << ": " << answered.trouble;
    EXPECT_NE(answered.trouble.find(row.trouble), std::string::npos) << row.what << ": " << answered.trouble;
    EXPECT_TRUE(row.trouble.empty() || answered.body.find(row.trouble) == std::string::npos) << row.what;
  }
  EXPECT_EQ(Get("/v2/images/" + std::string(36, '0')).trouble, "") << "what the client does wrong is none";
}

TEST_F(ApiTest, RangesOfADownload) {
  const std::string bytes = Bytes(1000);
  const std::string id = MadeActive(bytes);
  const struct {
    const char* name;
    const char* value;
    unsigned status;
    const char* range;
    std::string body;
  } kRows[] = {
      {"Range", "bytes=0-4", 206, "bytes 0-4/1000", bytes.substr(0, 5)},
      {"Range", "bytes=990-", 206, "bytes 990-999/1000", bytes.substr(990)},
      {"Range", "bytes=-3", 206, "bytes 997-999/1000", bytes.substr(997)},
      {"Range", "bytes=5-5000", 206, "bytes 5-999/1000", bytes.substr(5)},
      {"Range", "bytes=1000-", 416, "bytes */1000", ""},
      {"Range", "lines=1-2", 416, "bytes */1000", ""},
      {"Range", "bytes=0-1,5-6", 400, "", ""},
      {"Content-Range", "bytes 2-3/1000", 206, "bytes 2-3/1000", bytes.substr(2, 2)},
  };
  for (const auto& row : kRows) {
    const Answered answered = Ask({.target = "/v2/images/" + id + "/file", .headers = {{row.name, row.value}}});
    EXPECT_EQ(answered.status, row.status) << row.value;
    EXPECT_EQ(answered.headers.Find("Content-Range").value_or(""), row.range) << row.value;
    EXPECT_TRUE(row.status != 206 || answered.body == row.body) << row.value;
  }
}

TEST_F(ApiTest, UploadsThatAreRefusedLeaveTheImageQueuedAndNothingBehind) {
  const struct {
    const char* what;
    const char* members;
    Asked asked;
    unsigned status;
    const char* says;
  } kRows[] = {
      {"a qcow2 in a raw image",
       R"({"disk_format":"raw","container_format":"bare"})",
       {.body = Qcow2WithBackingFile(), .type = "application/octet-stream"},
       415,
       ": "},
      {"a backing file",
       R"({"disk_format":"qcow2","container_format":"bare"})",
       {.body = Qcow2WithBackingFile(), .type = "application/octet-stream"},
       415,
       "qcow2.backing_file"},
      {"another type",
       R"({"disk_format":"raw","container_format":"bare"})",
       {.body = "x", .type = "text/plain"},
       415,
       "Invalid content type text/plain"},
      {"no formats",
       R"({"disk_format":"raw"})",
       {.body = "x", .type = "application/octet-stream"},
       400,
       "Properties container_format must be set prior to saving data."},
      {"somebody else",
       R"({"disk_format":"raw","container_format":"bare","visibility":"community"})",
       {.caller = "them", .body = "x", .type = "application/octet-stream"},
       403,
       "Not allowed to upload"},
      {"nobody's business",
       R"({"disk_format":"raw","container_format":"bare","visibility":"private"})",
       {.caller = "them", .body = "x", .type = "application/octet-stream"},
       404,
       "No image found"},
  };
  for (const auto& row : kRows) {
    const std::string id = Made(row.members);
    Asked asked = row.asked;
    asked.method = "PUT";
    asked.target = "/v2/images/" + id + "/file";
    for (const bool chunked : {false, true}) {
      asked.chunked = chunked;
      const Answered answered = Ask(asked);
      EXPECT_EQ(answered.status, row.status) << row.what << "\n" << answered.body;
      EXPECT_NE(answered.body.find(row.says), std::string::npos) << row.what << "\n" << answered.body;
      EXPECT_EQ(StatusOf(id), "queued") << row.what;
    }
  }
  const std::string broken = Made();
  Ask({.method = "PUT",
       .target = "/v2/images/" + broken + "/file",
       .body = Bytes(200000),
       .type = "application/octet-stream",
       .broken_at = 100000});
  EXPECT_EQ(StatusOf(broken), "queued");
  EXPECT_EQ(registry_.Files(), 0U);
}

TEST_F(ApiTest, BytesNeverChangeOnceTheyAreThere) {
  const std::string id = MadeActive("first");
  const Answered again = Put("/v2/images/" + id + "/file", "second");
  EXPECT_EQ(again.status, 409U);
  EXPECT_NE(again.body.find("Image status transition from active to saving is not allowed"), std::string::npos);
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, "first");
}

TEST_F(ApiTest, DeactivatedImagesAreForAdministrators) {
  const std::string id = MadeActive("bytes");
  const std::string image = "/v2/images/" + id;
  const auto act = [&](const std::string& action, const std::string& caller) {
    return Ask({.caller = caller, .method = "POST", .target = image + "/actions/" + action}).status;
  };
  EXPECT_EQ(act("deactivate", "them"), 404U);
  for (int again = 0; again < 2; ++again) EXPECT_EQ(act("deactivate", "us"), 204U);
  EXPECT_EQ(StatusOf(id), "deactivated");
  EXPECT_EQ(Get(image + "/file").status, 403U);
  EXPECT_EQ(Get(image + "/file", "admin").status, 200U);
  for (int again = 0; again < 2; ++again) EXPECT_EQ(act("reactivate", "us"), 204U);
  EXPECT_EQ(Get(image + "/file").status, 200U);
  EXPECT_EQ(Ask({.method = "POST", .target = "/v2/images/" + Made() + "/actions/deactivate"}).status, 403U);
}

TEST_F(ApiTest, PatchesChangeWhatTheyMay) {
  const std::string id = Made(R"({"name":"old","kept":"1","gone":"2"})");
  const struct {
    const char* caller;
    const char* patch;
    unsigned status;
  } kRows[] = {
      {"us", R"([{"op":"replace","path":"/name","value":"new"},{"op":"remove","path":"/gone"}])", 200},
      {"us", R"([{"op":"add","path":"/more","value":"3"},{"op":"replace","path":"/tags","value":["a","b"]}])", 200},
      {"us", R"([])", 200},
      {"us", R"([{"op":"replace","path":"/status","value":"active"}])", 403},
      {"us", R"([{"op":"replace","path":"/visibility","value":"public"}])", 403},
      {"us", R"([{"op":"replace","path":"/none","value":"x"}])", 409},
      {"us", R"([{"op":"replace","path":"/disk_format","value":"floppy"}])", 400},
      {"us", R"([{"op":"add","path":"/locations/-","value":{"url":"file:///etc/shadow","metadata":{}}}])", 403},
      {"us", R"({"name":"x"})", 400},
      {"us", R"([{)", 400},
      {"them", R"([{"op":"replace","path":"/name","value":"theirs"}])", 404},
      {"admin", R"([{"op":"replace","path":"/visibility","value":"public"}])", 200},
      {"them", R"([{"op":"replace","path":"/name","value":"theirs"}])", 403},
  };
  for (const auto& row : kRows) {
    const Answered answered = Patch(id, row.patch, row.caller);
    EXPECT_EQ(answered.status, row.status) << row.patch << "\n" << answered.body;
  }
  const Answered shown = Get("/v2/images/" + id, "them");
  EXPECT_EQ(shown.Text("name"), "new");
  EXPECT_EQ(shown.Text("kept"), "1");
  EXPECT_EQ(shown.Text("more"), "3");
  EXPECT_EQ(shown.Text("gone"), "(none)");
  EXPECT_EQ(shown.Text("tags"), R"(["a","b"])");
  const Answered typed = Ask({.method = "PATCH", .target = "/v2/images/" + id, .body = "[]", .type = "text/plain"});
  EXPECT_EQ(typed.status, 415U);
  EXPECT_TRUE(typed.headers.Find("Accept-Patch"));
}

TEST_F(ApiTest, ProtectedImagesStay) {
  const std::string id = MadeActive("bytes");
  ASSERT_EQ(Patch(id, R"([{"op":"replace","path":"/protected","value":true}])").status, 200U);
  for (const char* caller : {"us", "admin"}) {
    const Answered answered = Delete("/v2/images/" + id, caller);
    EXPECT_EQ(answered.status, 403U);
    EXPECT_NE(answered.body.find("is protected and cannot be deleted."), std::string::npos);
  }
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, "bytes");
}

TEST_F(ApiTest, TagsComeAndGo) {
  const std::string id = Made();
  const auto tag = [&](const char* method, const std::string& name, const std::string& caller = "us") {
    return Ask({.caller = caller, .method = method, .target = "/v2/images/" + id + "/tags/" + name}).status;
  };
  EXPECT_EQ(tag("PUT", "a%20b"), 204U);
  EXPECT_EQ(tag("PUT", "a%20b"), 204U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("tags"), R"(["a b"])");
  EXPECT_EQ(tag("PUT", std::string(256, 'x')), 400U);
  EXPECT_EQ(tag("PUT", "theirs", "them"), 404U);
  EXPECT_EQ(tag("DELETE", "a%20b"), 204U);
  EXPECT_EQ(tag("DELETE", "a%20b"), 404U);
  for (int i = 0; i < 128; ++i) ASSERT_EQ(tag("PUT", std::to_string(i)), 204U);
  EXPECT_EQ(tag("PUT", "one-more"), 413U);
}

TEST_F(ApiTest, ListsComeInPages) {
  std::vector<std::string> made;
  made.reserve(7);
  for (int i = 0; i < 7; ++i) made.push_back(Made(fmt::format(R"({{"name":"n{}","tags":["even{}"]}})", i, i % 2)));
  Made(R"({"name":"hidden","os_hidden":true})");
  Made(R"({"name":"theirs"})", "them");
  std::vector<std::string> listed;
  std::string target = "/v2/images?limit=3&sort=name:asc";
  while (target != "(none)") {
    const Answered page = Get(target);
    ASSERT_EQ(page.status, 200U) << page.body;
    EXPECT_EQ(page.Text("first"), "/v2/images?limit=3&sort=name%3Aasc");
    const boost::json::value document = page.json();
    for (const auto& image : document.at("images").as_array()) listed.emplace_back(image.at("id").as_string());
    target = page.Text("next");
  }
  EXPECT_EQ(listed, made);
  EXPECT_EQ(Get("/v2/images?tag=even0").json().at("images").as_array().size(), 4U);
  EXPECT_EQ(Get("/v2/images?name=in:n1,n2").json().at("images").as_array().size(), 2U);
  EXPECT_EQ(Get("/v2/images?os_hidden=true").json().at("images").as_array().size(), 1U);
  EXPECT_EQ(Get("/v2/images", "admin").json().at("images").as_array().size(), 8U);
}

TEST_F(ApiTest, MembersSeeWhatIsSharedWithThem) {
  const std::string id = MadeActive("bytes");
  const std::string members = "/v2/images/" + id + "/members";
  EXPECT_EQ(Get("/v2/images/" + id, "them").status, 404U);
  EXPECT_EQ(Post(members, R"({"member":""})").status, 400U);
  EXPECT_EQ(Post(members, R"({})").status, 400U);
  EXPECT_EQ(Post(members, R"({"member":"them"})").status, 200U);
  EXPECT_EQ(Post(members, R"({"member":"them"})").status, 409U);
  EXPECT_EQ(Post(members, R"({"member":"others"})").status, 200U);
  EXPECT_EQ(Get("/v2/images/" + id, "them").status, 200U);
  EXPECT_EQ(Post(members, R"({"member":"more"})", "them").status, 403U);
  EXPECT_EQ(Get(members).json().at("members").as_array().size(), 2U);
  EXPECT_EQ(Get(members, "them").json().at("members").as_array().size(), 1U);
  EXPECT_EQ(Get(members + "/others", "them").status, 404U);
  EXPECT_EQ(Get(members + "/them", "them").Text("status"), "pending");
  EXPECT_EQ(Get("/v2/images", "them").json().at("images").as_array().size(), 0U);

  const auto set = [&](const std::string& status, const std::string& caller) {
    return Ask({.caller = caller,
                .method = "PUT",
                .target = members + "/them",
                .body = fmt::format(R"({{"status":"{}"}})", status),
                .type = "application/json"})
        .status;
  };
  EXPECT_EQ(set("accepted", "us"), 403U);
  EXPECT_EQ(set("accepted", "others"), 404U);
  EXPECT_EQ(set("certainly", "them"), 400U);
  EXPECT_EQ(set("accepted", "them"), 200U);
  EXPECT_EQ(Get("/v2/images", "them").json().at("images").as_array().size(), 1U);
  EXPECT_EQ(Delete(members + "/them", "them").status, 403U);
  EXPECT_EQ(Delete(members + "/them").status, 204U);
  EXPECT_EQ(Delete(members + "/them").status, 404U);
  EXPECT_EQ(Get("/v2/images/" + id, "them").status, 404U);

  ASSERT_EQ(Patch(id, R"([{"op":"replace","path":"/visibility","value":"private"}])").status, 200U);
  EXPECT_EQ(Get(members).status, 403U);
  EXPECT_EQ(Get(members + "/others").status, 404U);
  EXPECT_EQ(Get("/v2/images/" + std::string(kNoImage) + "/members").status, 404U);
}

TEST(ApiReference, DocsHaveTheTableOfRoutes) {
  std::ifstream stream(std::filesystem::path(PLATTER_SOURCE) / "docs/registry.md");
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  EXPECT_NE(text.find(ApiReference()), std::string::npos)
      << "docs/registry.md is old: put in what `platterd api-reference` prints";
}

TEST_F(ApiTest, WithoutABodyWhereNoneIsExpected) {
  EXPECT_EQ(Ask({.target = "/v2/images/" + Made(), .body = "x", .type = "text/plain"}).status, 400U);
}

TEST_F(ApiTest, KeysThatShouldGoWithTheirImageAreTold) {
  const struct {
    const char* members;
    bool told;
  } kRows[] = {
      {R"({"cinder_encryption_key_id":"k1","cinder_encryption_key_deletion_policy":"on_image_deletion"})", true},
      {R"({"cinder_encryption_key_id":"k2","cinder_encryption_key_deletion_policy":"do_not_delete"})", false},
      {R"({"cinder_encryption_key_id":"k3"})", false},
      {R"({"cinder_encryption_key_deletion_policy":"on_image_deletion"})", false},
  };
  std::vector<std::string> wanted;
  for (const auto& row : kRows) {
    const std::string id = Made(row.members);
    EXPECT_EQ(Delete("/v2/images/" + id, "them").status, 404U);
    EXPECT_EQ(keys_, wanted);
    EXPECT_EQ(Delete("/v2/images/" + id).status, 204U);
    if (row.told) wanted.push_back(id + " k1");
    EXPECT_EQ(keys_, wanted) << row.members;
  }
}

TEST_F(ApiTest, RecordsThatAreTooLargeAreRefused) {
  const std::string id = Made("{}");
  const auto add = [&](std::size_t values, std::size_t bytes) {
    std::string patch;
    for (std::size_t at = 0; at < values; ++at) {
      patch += fmt::format(R"({}{{"op":"add","path":"/p{}","value":"{}"}})", at == 0 ? "[" : ",", at,
                           std::string(bytes, 'v'));
    }
    return Patch(id, patch + "]");
  };
  EXPECT_EQ(add(1, 65535).status, 200U);
  const Answered one = add(1, 65536);
  EXPECT_EQ(one.status, 400U);
  EXPECT_NE(one.body.find("the value of the property p0 is too long"), std::string::npos) << one.body;
  const Answered together = add(5, 60000);
  EXPECT_EQ(together.status, 413U);
  EXPECT_NE(together.body.find("too large together"), std::string::npos) << together.body;
  EXPECT_EQ(Post("/v2/images", fmt::format(R"({{"long":"{}"}})", std::string(65536, 'v'))).status, 400U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("p0").size(), 65535U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("p1"), "(none)");
}

// Escaped, they have six times their bytes.
TEST_F(ApiTest, AListOfLargeRecordsIsShownInParts) {
  constexpr std::size_t kImages = 12;
  for (std::size_t at = 0; at < kImages; ++at) {
    registry::ImageRecord image;
    image.id = registry::NewIdentifier();
    image.owner = "us";
    image.created = image.updated = registry::Now();
    for (const char* name : {"a", "b", "c"}) image.properties[name] = std::string(65000, '\1');
    ASSERT_TRUE(registry_.catalog->Insert(image).ok());
  }
  std::set<std::string> seen;
  std::string next = "/v2/images?limit=1000";
  int pages = 0;
  for (; next != "(none)"; ++pages) {
    const Answered answered = Get(next);
    ASSERT_EQ(answered.status, 200U);
    EXPECT_LT(answered.body.size(), std::size_t{10} << 20);
    const auto document = answered.json();
    for (const auto& image : document.at("images").as_array()) seen.emplace(image.at("id").as_string());
    next = answered.Text("next");
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(seen.size(), kImages);
}

}  // namespace
}  // namespace platter::platterd
