#include <memory>

#include "registry-core/stores/http_store.h"
#include "tests/registry/v2/api.h"
#include "tests/registry/web/network.h"
#include "tests/registry/web/web_server.h"

namespace platter::platterd {
namespace {

using test::Network;

constexpr const char* kUrl = "http://example.org/file/disk";

ApiOptions WithLocations() {
  ApiOptions options;
  options.show_multiple_locations = true;
  options.location_quota = 3;
  return options;
}

std::string Entry(const std::string& url, const std::string& metadata = "{}", const std::string& more = "") {
  return fmt::format(R"({{"url":"{}","metadata":{}{}}})", url, metadata, more);
}
std::string AddOf(const std::string& url, const std::string& where = "-", const std::string& more = "") {
  return fmt::format(R"([{{"op":"add","path":"/locations/{}","value":{}}}])", where, Entry(url, "{}", more));
}

class LocationsTest : public ApiTest {
 protected:
  LocationsTest()
      : ApiTest(WithLocations(), {}, {std::make_shared<registry::HttpStore>(registry::HttpStoreOptions{"web", {}})}) {}

  static void SetUpTestSuite() {
    Network::Enter().SetUsualHosts();
    server_ = std::make_unique<test::WebServer>();
    const std::string disk = Content();
    const std::string other(disk.size(), 'y');
    server_->Put("disk", std::as_bytes(std::span(disk)));
    server_->Put("other", std::as_bytes(std::span(other)));
  }
  static void TearDownTestSuite() { server_.reset(); }
  static std::string Content() { return std::string(102400, 'x'); }
  std::string LocationsOf(const std::string& id) { return Get("/v2/images/" + id).Text("locations"); }

  static inline std::unique_ptr<test::WebServer> server_;
};

TEST_F(LocationsTest, ALocationMakesAnImageActive) {
  const std::string id = Made();
  const std::string sha(128, 'b');
  const Answered added =
      Patch(id, AddOf(kUrl, "-", R"(,"validation_data":{"os_hash_algo":"sha512","os_hash_value":")" + sha + "\"}"));
  ASSERT_EQ(added.status, 200U) << added.body;
  EXPECT_EQ(added.Text("status"), "active");
  EXPECT_EQ(added.Text("size"), "102400");
  EXPECT_EQ(added.Text("virtual_size"), "102400");
  EXPECT_EQ(added.Text("os_hash_value"), sha);
  EXPECT_EQ(added.Text("locations"), "[" + Entry(kUrl) + "]");
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, Content());
  const Answered part = Ask({.target = "/v2/images/" + id + "/file", .headers = {{"Range", "bytes=1000-1999"}}});
  EXPECT_EQ(part.status, 206U);
  EXPECT_EQ(part.body, Content().substr(1000, 1000));
  EXPECT_EQ(Delete("/v2/images/" + id).status, 204U);
}

// What cannot be had from the middle is said before any byte is promised, and had from elsewhere where there is more.
TEST_F(LocationsTest, RangesOfServersThatHaveNone) {
  const std::string id = MadeActive(Content());
  ASSERT_EQ(Patch(id, AddOf("http://example.org/plain/disk", "0")).status, 200U);
  const auto part = [&](const std::string& range) {
    return Ask({.target = "/v2/images/" + id + "/file", .headers = {{"Range", range}}});
  };
  const Answered had = part("bytes=10-19");
  EXPECT_EQ(had.status, 206U);
  EXPECT_EQ(had.body, std::string(10, 'x'));
  ASSERT_EQ(Patch(id, R"([{"op":"remove","path":"/locations/1"}])").status, 200U);
  const Answered whole = Get("/v2/images/" + id + "/file");
  EXPECT_EQ(whole.status, 200U);
  EXPECT_TRUE(whole.body == Content());
  EXPECT_EQ(part("bytes=0-9").status, 206U);
  const Answered refused = part("bytes=10-19");
  EXPECT_EQ(refused.status, 400U);
  EXPECT_NE(refused.body.find("randomly from this store is not supported. Offset: 10, length: 10"), std::string::npos);
}

TEST_F(LocationsTest, APatchOfTheirOwn) {
  const std::string id = Made("{}");
  EXPECT_EQ(Patch(id, AddOf(kUrl)).status, 400U) << "without formats";
  const std::string formats =
      R"([{"op":"add","path":"/disk_format","value":"raw"},{"op":"add","path":"/container_format","value":"bare"})";
  EXPECT_EQ(Patch(id, formats + "," + AddOf(kUrl).substr(1)).status, 400U);
  EXPECT_EQ(Get("/v2/images/" + id).Text("disk_format"), "null") << "nothing of it was done";
  EXPECT_EQ(Patch(id, formats + "]").status, 200U);
  EXPECT_EQ(Patch(id, AddOf(kUrl)).Text("status"), "active");
}

TEST_F(LocationsTest, WhatIsNoLocation) {
  const std::string queued = Made();
  const std::string qcow2 = Made(R"({"disk_format":"qcow2","container_format":"bare"})");
  const struct {
    std::string id, patch;
    unsigned status;
    const char* says;
  } kRows[] = {
      {queued, AddOf("file:///etc/passwd"), 400, "no store takes"},
      {queued, AddOf("http://127.0.0.1/file/disk"), 400, "loopback"},
      {queued, AddOf("http://example.org/to/302?http://127.0.0.1/file/disk"), 400, "following a redirect"},
      {queued, AddOf("http://example.org/status/404"), 400, "no such object"},
      {queued, AddOf("http://nowhere.example/"), 400, "leads nowhere"},
      {queued, AddOf(kUrl, "x"), 400, "Invalid position"},
      {queued, AddOf(kUrl, "-", R"(,"validation_data":{"os_hash_algo":"sha512"})"), 400, "os_hash_value"},
      {queued, AddOf(kUrl, "-", R"(,"validation_data":{"os_hash_algo":"sha512","os_hash_value":"a","more":"b"})"), 400,
       "Additional properties"},
      {queued, AddOf(kUrl, "-", R"(,"validation_data":{"os_hash_algo":"md5","os_hash_value":"a"})"), 409,
       "os_hash_algo"},
      {queued, AddOf(kUrl, "-", R"(,"validation_data":{"os_hash_algo":"sha512","os_hash_value":1})"), 400, "string"},
      {queued, R"([{"op":"remove","path":"/locations/0"}])", 400, "Invalid position"},
      {queued, R"([{"op":"replace","path":"/locations","value":[]}])", 403, "empty list"},
      {qcow2, AddOf(kUrl), 400, "policy.format"},
  };
  for (const auto& row : kRows) {
    const Answered answered = Patch(row.id, row.patch);
    EXPECT_EQ(answered.status, row.status) << row.patch << "\n" << answered.body;
    EXPECT_NE(answered.body.find(row.says), std::string::npos) << row.patch << "\n" << answered.body;
    EXPECT_EQ(StatusOf(row.id), "queued");
  }
  EXPECT_EQ(Patch(queued, AddOf(kUrl), "them").status, 404U);
  EXPECT_EQ(registry_.Files(), 0U);
}

TEST_F(LocationsTest, AnActiveImageGetsAndLosesThem) {
  const std::string id = MadeActive(Content());
  const std::string own = registry_.catalog->Find(id).value().locations.at(0).url;
  EXPECT_EQ(Patch(id, AddOf("http://example.org/file/other")).status, 409U) << "other bytes";
  ASSERT_EQ(Patch(id, AddOf(kUrl, "0")).status, 200U);
  EXPECT_EQ(LocationsOf(id), "[" + Entry(kUrl) + "," + Entry(own) + "]");
  EXPECT_EQ(Patch(id, AddOf(kUrl)).status, 400U) << "it is there already";
  EXPECT_EQ(Patch(id, AddOf("http://example.org/plain/disk", "9")).status, 400U);
  ASSERT_EQ(Patch(id, AddOf("http://example.org/plain/disk", "2")).status, 200U);
  EXPECT_EQ(Patch(id, AddOf("http://example.org/chunked/disk")).status, 413U) << "the quota";
  EXPECT_EQ(Patch(id, R"([{"op":"remove","path":"/locations/3"}])").status, 400U);
  ASSERT_EQ(Patch(id, R"([{"op":"remove","path":"/locations/2"}])").status, 200U);
  // As a client changes metadata, and the order.
  const std::string swapped = "[" + Entry(own, R"({"a":1})") + "," + Entry(kUrl, R"({"b":"c"})") + "]";
  ASSERT_EQ(Patch(id, R"([{"op":"replace","path":"/locations","value":)" + swapped + "}]").status, 200U);
  EXPECT_EQ(LocationsOf(id), swapped);
  EXPECT_EQ(registry_.Files(), 1U);
  // The bytes in our own store go with their location.
  ASSERT_EQ(Patch(id, R"([{"op":"remove","path":"/locations/0"}])").status, 200U);
  EXPECT_EQ(registry_.Files(), 0U);
  EXPECT_EQ(Get("/v2/images/" + id + "/file").body, Content());
  EXPECT_EQ(Patch(id, R"([{"op":"remove","path":"/locations/0"}])").status, 403U);
  EXPECT_EQ(Patch(id, R"([{"op":"replace","path":"/locations","value":[]}])").status, 403U);
}

TEST_F(LocationsTest, ReplacingAddsAndRemoves) {
  const std::string id = Made();
  const auto replace = [this, &id](const std::string& list) {
    return Patch(id, R"([{"op":"replace","path":"/locations","value":)" + list + "}]");
  };
  EXPECT_EQ(replace("[" + Entry(kUrl) + "," + Entry(kUrl) + "]").status, 400U);
  EXPECT_EQ(StatusOf(id), "queued");
  EXPECT_EQ(replace("[" + Entry(kUrl) + "]").Text("status"), "active");
  // Nothing vouches for another one: the image has no digest.
  EXPECT_EQ(replace("[" + Entry("http://example.org/plain/disk") + "]").status, 409U);
  EXPECT_EQ(LocationsOf(id), "[" + Entry(kUrl) + "]");
}

// The image has old and new ones for a while.
TEST_F(LocationsTest, AReplacementMayUseTheWholeQuota) {
  const std::string id = MadeActive(Content());
  ASSERT_EQ(Patch(id, AddOf(kUrl)).status, 200U);
  ASSERT_EQ(Patch(id, AddOf("http://example.org/plain/disk")).status, 200U);
  const auto replace = [this, &id](const std::string& list) {
    return Patch(id, R"([{"op":"replace","path":"/locations","value":[)" + list + "]}]").status;
  };
  const std::string others = Entry("http://example.org/file/disk?1") + "," + Entry("http://example.org/file/disk?2") +
                             "," + Entry("http://example.org/file/disk?3");
  EXPECT_EQ(replace(others + "," + Entry("http://example.org/file/disk?4")), 413U);
  EXPECT_EQ(replace(others), 200U);
  EXPECT_EQ(LocationsOf(id), "[" + others + "]");
}

// Whoever serves what a location names may take all the time that there is.
TEST_F(LocationsTest, FewAreReadAtATime) {
  const std::string id = MadeActive(Content());
  ASSERT_EQ(Patch(id, AddOf(kUrl)).status, 200U);
  Slots::Slot taken = readers_of_locations_.Take();
  ASSERT_TRUE(taken);
  const Answered refused = Patch(id, AddOf("http://example.org/plain/disk"));
  EXPECT_EQ(refused.status, 503U) << refused.body;
  EXPECT_EQ(refused.headers.Find("Retry-After"), "30");
  EXPECT_EQ(Patch(id, R"([{"op":"remove","path":"/locations/1"}])").status, 200U) << "nothing has to be read";
  taken.reset();
  EXPECT_EQ(Patch(id, AddOf(kUrl)).status, 200U);
  EXPECT_EQ(Patch(id, AddOf("http://example.org/status/404")).status, 400U);
  EXPECT_TRUE(readers_of_locations_.Take()) << "each gives its slot back";
}

TEST_F(ApiTest, LocationsThatAreInvisibleStayAsTheyAre) {
  const std::string id = Made();
  for (const std::string change :
       {R"([{"op":"add","path":"/locations/-","value":{"url":"http://a/","metadata":{}}}])",
        R"([{"op":"remove","path":"/locations/0"}])", R"([{"op":"replace","path":"/locations","value":[]}])"}) {
    EXPECT_EQ(Patch(id, change).status, 403U);
  }
  EXPECT_EQ(StatusOf(id), "queued");
}

}  // namespace
}  // namespace platter::platterd
