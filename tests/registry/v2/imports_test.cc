#include <chrono>
#include <thread>

#include "tests/registry/v2/api.h"
#include "tests/support/eventually.h"
#include "tools/platterd/http/text.h"

namespace platter::platterd {
namespace {

constexpr std::string_view kDirect = R"({"method":{"name":"glance-direct"}})";

class ImportTest : public ApiTest {
 protected:
  Answered Stage(const std::string& id, const std::string& bytes) { return Put("/v2/images/" + id + "/stage", bytes); }
  Answered Import(const std::string& id, std::string_view body = kDirect, const std::string& caller = "us") {
    return Post("/v2/images/" + id + "/import", std::string(body), caller);
  }
  // The sign of life goes when the task is over, a moment later.
  std::size_t FilesAtTheEnd(std::size_t wanted) {
    for (int tries = 0; tries < 2000 && registry_.Files() != wanted; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return registry_.Files();
  }
  // The image's last task, once it is over.
  boost::json::value Concluded(const std::string& id) {
    for (;;) {
      const boost::json::value tasks = Get("/v2/images/" + id + "/tasks").json().at("tasks");
      if (tasks.as_array().empty()) return {};
      const boost::json::value& task = tasks.at(0);
      const auto& status = task.at("status").as_string();
      if (status == "success" || status == "failure") return task;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
};

TEST_F(ImportTest, WhatWasStagedBecomesTheImage) {
  const std::string id = Made();
  const std::string bytes(2000000, 'x');
  ASSERT_EQ(Stage(id, bytes).status, 204U);
  EXPECT_EQ(StatusOf(id), "uploading");
  EXPECT_EQ(Get("/v2/images/" + id).Text("size"), "2000000");
  EXPECT_EQ(Get("/v2/images/" + id + "/file").status, 204U);
  EXPECT_EQ(Stage(id, "again").status, 409U);
  EXPECT_EQ(Put("/v2/images/" + id + "/file", "directly").status, 409U);
  ASSERT_EQ(Import(id).status, 202U);
  const auto task = Concluded(id);
  EXPECT_EQ(task.at("status").as_string(), "success") << boost::json::serialize(task);
  EXPECT_EQ(task.at("input").at("import_req").at("method").at("name").as_string(), "glance-direct");
  EXPECT_EQ(task.at("result").at("image_id").as_string(), id);
  EXPECT_EQ(StatusOf(id), "active");
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, bytes);
  EXPECT_EQ(FilesAtTheEnd(1), 1U);
  EXPECT_EQ(Import(id).status, 409U);
  const std::string task_id(task.at("id").as_string());
  EXPECT_EQ(Get("/v2/tasks/" + task_id, "admin").Text("type"), "api_image_import");
  EXPECT_EQ(Get("/v2/tasks/" + task_id).status, 403U);
  EXPECT_EQ(Get("/v2/tasks?status=success", "admin").json().at("tasks").as_array().size(), 1U);
}

TEST_F(ImportTest, ATaskTellsWhatWasAskedForAndNoMore) {
  const std::string id = Made();
  const std::string body = fmt::format(
      R"({{"method":{{"name":"web-download","uri":"http://allowed.example/x","more":"{0}"}},"stores":["{0}"],)"
      R"("all_stores":false,"more":{{"a":["{0}"]}}}})",
      std::string(300000, 'x'));
  ASSERT_EQ(Import(id, body).status, 202U);
  EXPECT_EQ(boost::json::serialize(Concluded(id).at("input").at("import_req")),
            R"({"method":{"name":"web-download","uri":"http://allowed.example/x"},"all_stores":false})");
}

// Which no database takes, and no JSON.
TEST_F(ImportTest, AReasonMayHaveBytesThatAreNoText) {
  std::string image(65536, '\0');
  image.replace(0, 60,
                std::string_view("QFI\xfb\0\0\0\2\0\0\0\0\0\0\1\0\0\0\0\13\0\0\0\20\0\0\0\0\0\20\0\0"
                                 "\0\0\0\0\0\0\0\1\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\1",
                                 60));
  image.replace(256, 11, std::string_view("/etc/\xff\xfe\0\033[m", 11));
  const std::string id = Made(R"({"disk_format":"qcow2","container_format":"bare"})");
  const Answered direct = Put("/v2/images/" + id + "/file", image);
  EXPECT_EQ(direct.status, 415U);
  EXPECT_NE(direct.body.find("qcow2.backing_file"), std::string::npos) << direct.body;
  EXPECT_TRUE(http::IsUtf8(direct.body)) << direct.body;
  ASSERT_EQ(Stage(id, image).status, 204U);
  ASSERT_EQ(Import(id).status, 202U);
  const auto task = Concluded(id);
  EXPECT_EQ(task.at("status").as_string(), "failure");
  EXPECT_NE(task.at("message").as_string().find("/etc/\xEF\xBF\xBD\xEF\xBF\xBD"), std::string::npos) << task;
  EXPECT_EQ(StatusOf(id), "queued");
}

TEST_F(ImportTest, WhatAKilledImportLeftIsNotTakenForWhatIsStaged) {
  const std::string id = Made();
  for (int left = 0; left < 2; ++left) {
    auto writer = staging_.store().Put(id, std::nullopt).value();
    ASSERT_TRUE(writer->Write(std::as_bytes(std::span("left"))).ok());
    ASSERT_TRUE(writer->Commit().ok());
    ASSERT_TRUE(writer->Settle().ok());
  }
  EXPECT_EQ(staging_.Find(id).error().kind(), ErrorKind::kConflict);
  ASSERT_EQ(Stage(id, "staged").status, 204U);
  ASSERT_EQ(Import(id).status, 202U);
  ASSERT_EQ(Concluded(id).at("status").as_string(), "success");
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, "staged");
  EXPECT_EQ(FilesAtTheEnd(1), 1U);
}

// A task has a URL and a user in it, and what went wrong.
TEST_F(ImportTest, OthersSeeNoImports) {
  const std::string id = Made();
  ASSERT_EQ(Import(id, R"({"method":{"name":"web-download","uri":"http://allowed.example/x"}})").status, 202U);
  (void)Concluded(id);
  ASSERT_EQ(Stage(id, "x").status, 204U);
  ASSERT_EQ(Import(id, kDirect, "admin").status, 202U);
  ASSERT_TRUE(test::Eventually([&] { return StatusOf(id) == "active"; }));
  ASSERT_EQ(Patch(id, R"([{"op":"replace","path":"/visibility","value":"public"}])", "admin").status, 200U);
  const auto seen_by = [&](const std::string& caller) {
    return Get("/v2/images/" + id + "/tasks", caller).json().at("tasks").as_array().size();
  };
  EXPECT_EQ(seen_by("admin"), 2U);
  EXPECT_EQ(seen_by("us"), 1U);
  EXPECT_EQ(seen_by("reader@us"), 1U);
  EXPECT_EQ(seen_by("them"), 0U);
  EXPECT_EQ(seen_by("reader@"), 0U);
}

// Nor does a caller of no project see those of callers of no project.
TEST_F(ImportTest, WhatNobodyImportedIsForAdministrators) {
  const std::string id = MadeActive("x");
  registry::TaskRecord task;
  task.id = registry::NewIdentifier();
  task.type = "api_image_import";
  task.status = "failure";
  task.image = id;
  task.created = task.updated = registry::Now();
  ASSERT_TRUE(registry_.catalog->InsertTask(task).ok());
  ASSERT_EQ(Patch(id, R"([{"op":"replace","path":"/visibility","value":"community"}])").status, 200U);
  EXPECT_EQ(Get("/v2/images/" + id + "/tasks", "reader@").Text("tasks"), "[]");
  EXPECT_NE(Get("/v2/images/" + id + "/tasks", "admin").Text("tasks"), "[]");
}

TEST_F(ImportTest, WhatIsNotWhatItSaysGoesBackToQueued) {
  const std::string id = Made(R"({"disk_format":"qcow2","container_format":"bare"})");
  ASSERT_EQ(Stage(id, std::string(100000, 'x')).status, 204U);
  ASSERT_EQ(Import(id).status, 202U);
  const auto task = Concluded(id);
  EXPECT_EQ(task.at("status").as_string(), "failure");
  EXPECT_NE(task.at("message").as_string().find("policy.format"), std::string::npos) << task.at("message");
  EXPECT_EQ(StatusOf(id), "queued");
  EXPECT_EQ(FilesAtTheEnd(0), 0U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("size"), "null");
}

TEST_F(ImportTest, ImportsThatCannotBegin) {
  const std::string queued = Made();
  const std::string formless = Made("{}");
  ASSERT_EQ(Stage(formless, "x").status, 204U);
  const struct {
    std::string id;
    const char* body;
    const char* caller;
    unsigned status;
    const char* says;
  } kRows[] = {
      {queued, R"({"method":{"name":"glance-direct"}})", "us", 409, "needs to be staged"},
      {formless, R"({"method":{"name":"glance-direct"}})", "us", 409, "needs to be set before import"},
      {formless, R"({"method":{"name":"web-download","uri":"http://allowed.example/x"}})", "us", 409, "queued"},
      {queued, R"({"method":{"name":"copy-image"}})", "us", 400, "Unknown import method name"},
      {queued, R"({"method":{}})", "us", 400, "Import request requires a"},
      {queued, R"({})", "us", 400, "Import request requires a"},
      {queued, R"([])", "us", 400, "JSON object"},
      {queued, R"({"method":{"name":"web-download"}})", "us", 400, "requires a"},
      {queued, R"({"method":{"name":"web-download","uri":"http://127.0.0.1/x"}})", "us", 400,
       "does not pass filtering"},
      {queued, R"({"method":{"name":"glance-direct"},"all_stores":1})", "us", 400, "must be boolean"},
      {queued, R"({"method":{"name":"glance-direct"},"all_stores_must_succeed":false})", "us", 400, "enabled_backends"},
      {queued, R"({"method":{"name":"glance-direct"}})", "them", 404, "No image found"},
  };
  for (const auto& row : kRows) {
    const Answered answered = Import(row.id, row.body, row.caller);
    EXPECT_EQ(answered.status, row.status) << row.body << "\n" << answered.body;
    EXPECT_NE(answered.body.find(row.says), std::string::npos) << row.body << "\n" << answered.body;
  }
  EXPECT_EQ(StatusOf(queued), "queued");
  EXPECT_EQ(StatusOf(formless), "uploading");
}

TEST_F(ImportTest, ADownloadThatFailsLeavesTheImageQueued) {
  const std::string id = Made();
  ASSERT_EQ(Import(id, R"({"method":{"name":"web-download","uri":"http://allowed.example/x"}})").status, 202U);
  const auto task = Concluded(id);
  EXPECT_EQ(task.at("status").as_string(), "failure");
  EXPECT_NE(task.at("message").as_string().find("there is nothing at that URL"), std::string::npos);
  EXPECT_EQ(StatusOf(id), "queued");
}

TEST_F(ImportTest, StagingThatBreaksOffLeavesNothing) {
  const std::string id = Made();
  Ask({.method = "PUT",
       .target = "/v2/images/" + id + "/stage",
       .body = std::string(200000, 'x'),
       .type = "application/octet-stream",
       .broken_at = 100000});
  EXPECT_EQ(StatusOf(id), "queued");
  EXPECT_EQ(registry_.Files(), 0U);
  ASSERT_EQ(Stage(id, "x").status, 204U);
  EXPECT_EQ(Delete("/v2/images/" + id).status, 204U);
  EXPECT_EQ(registry_.Files(), 0U);
}

ApiOptions ManyStores() {
  ApiOptions options;
  options.many_stores = true;
  options.show_multiple_locations = true;
  return options;
}

ApiOptions WithNewDefaults(ApiOptions options) {
  options.access.new_defaults = true;
  return options;
}

class StoresTest : public ApiTest {
 protected:
  StoresTest() : StoresTest(ManyStores()) {}
  explicit StoresTest(ApiOptions options) : ApiTest(std::move(options)) {}
  std::string InBothStores() {
    std::string id = Made();
    EXPECT_EQ(Put("/v2/images/" + id + "/stage", "bytes").status, 204U);
    EXPECT_EQ(Post("/v2/images/" + id + "/import", R"({"method":{"name":"glance-direct"},"all_stores":true})").status,
              202U);
    EXPECT_TRUE(test::Eventually([&] { return StatusOf(id) == "active"; }));
    return id;
  }
  std::string UploadedInto(const std::string& store) {
    std::string id = Made();
    const Answered answered = Ask({.method = "PUT",
                                   .target = "/v2/images/" + id + "/file",
                                   .body = "bytes",
                                   .type = "application/octet-stream",
                                   .headers = {{"X-Image-Meta-Store", store}}});
    EXPECT_EQ(answered.status, store == "none" ? 400U : 204U) << answered.body;
    return id;
  }
};

TEST_F(StoresTest, UploadsGoWhereTheySay) {
  EXPECT_EQ(Get("/v2/images/" + UploadedInto("other")).Text("stores"), "other");
  EXPECT_EQ(StatusOf(UploadedInto("none")), "queued");
  const auto stores = Get("/v2/info/stores").json().at("stores");
  EXPECT_EQ(boost::json::serialize(stores), R"([{"id":"file","default":"true"},{"id":"other"}])");
  EXPECT_EQ(Get("/v2/info/stores/detail").status, 403U);
  EXPECT_EQ(Get("/v2/info/stores/detail", "admin").json().at("stores").at(1).at("type").as_string(), "file");
}

TEST_F(StoresTest, AStoreThatIsNamedOftenIsToldOnce) {
  const std::string id = Made();
  ASSERT_EQ(Put("/v2/images/" + id + "/stage", "bytes").status, 204U);
  std::string stores = R"("file")";
  for (int at = 0; at < 10000; ++at) stores += R"(,"other","file")";
  const std::string body = R"({"method":{"name":"glance-direct"},"stores":[)" + stores + "]}";
  ASSERT_EQ(Post("/v2/images/" + id + "/import", body).status, 202U);
  ASSERT_TRUE(test::Eventually([&] { return StatusOf(id) == "active"; }));
  const auto task = Get("/v2/images/" + id + "/tasks").json().at("tasks").at(0);
  EXPECT_EQ(boost::json::serialize(task.at("input").at("backend")), R"(["file","other"])");
  EXPECT_EQ(boost::json::serialize(task.at("input").at("import_req").at("stores")), R"(["file","other"])");
}

TEST_F(StoresTest, AnImageInTwoStoresMayLeaveOne) {
  const std::string id = InBothStores();
  EXPECT_EQ(Get("/v2/images/" + id).Text("stores"), "file,other");
  EXPECT_EQ(Delete("/v2/stores/none/" + id).status, 409U);
  EXPECT_EQ(Delete("/v2/stores/file/" + id).status, 204U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("stores"), "other");
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, "bytes");
  EXPECT_EQ(Delete("/v2/stores/other/" + id).status, 403U);
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, "bytes");
}

class NewDefaultsTest : public StoresTest {
 protected:
  NewDefaultsTest() : StoresTest(WithNewDefaults(ManyStores())) {}
};

TEST_F(NewDefaultsTest, AdministratorsAloneRemoveLocations) {
  constexpr const char* kRemove = R"([{"op":"remove","path":"/locations/0"}])";
  const std::string first = InBothStores();
  EXPECT_EQ(Delete("/v2/stores/file/" + first).status, 403U);
  EXPECT_EQ(Delete("/v2/stores/file/" + first, "admin").status, 204U);
  const std::string second = InBothStores();
  EXPECT_EQ(Patch(second, kRemove).status, 403U);
  EXPECT_EQ(Patch(second, kRemove, "admin").status, 200U);
  for (const std::string& id : {first, second}) EXPECT_EQ(Get("/v2/images/" + id).Text("stores"), "other");
}

// A list that leaves one out removes it.
TEST_F(NewDefaultsTest, AdministratorsAloneLeaveLocationsOut) {
  const std::string id = InBothStores();
  const auto locations = Get("/v2/images/" + id).json().at("locations");
  const auto replaced = [&](const boost::json::array& wanted, const std::string& caller) {
    return Patch(id,
                 fmt::format(R"([{{"op":"replace","path":"/locations","value":{}}}])", boost::json::serialize(wanted)),
                 caller)
        .status;
  };
  const auto& first = locations.at(0);
  const auto& second = locations.at(1);
  EXPECT_EQ(replaced({second}, "us"), 403U);
  EXPECT_EQ(replaced({first, {{"url", "http://allowed.example/x"}, {"metadata", boost::json::object()}}}, "us"), 403U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("stores"), "file,other");
  EXPECT_EQ(Get("/v2/images/" + id).json().at("locations"), locations);
  // The order is the owner's.
  EXPECT_EQ(replaced({second, first}, "us"), 200U);
  EXPECT_EQ(Get("/v2/images/" + id).json().at("locations").at(0), second);
  EXPECT_EQ(replaced({second}, "admin"), 200U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("stores"), "other");
}

TEST_F(NewDefaultsTest, ReadersAnswerNoShares) {
  const std::string id = Made();
  ASSERT_EQ(Post("/v2/images/" + id + "/members", R"({"member":"them"})").status, 200U);
  const auto answered_by = [&](const std::string& caller) {
    return Ask({.caller = caller,
                .method = "PUT",
                .target = "/v2/images/" + id + "/members/them",
                .body = R"({"status":"accepted"})",
                .type = "application/json"})
        .status;
  };
  EXPECT_EQ(answered_by("reader@them"), 403U);
  EXPECT_EQ(Get("/v2/images/" + id + "/members/them", "reader@them").Text("status"), "pending");
  EXPECT_EQ(answered_by("them"), 200U);
}

}  // namespace
}  // namespace platter::platterd
