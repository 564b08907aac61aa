#include "registry-core/ingest/add_location.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "convert/hash/digest.h"
#include "registry-core/ingest/removal.h"
#include "registry-core/stores/http_store.h"
#include "tests/registry/ingest/registry.h"
#include "tests/registry/web/network.h"
#include "tests/registry/web/web_server.h"
#include "tests/support/command.h"
#include "tests/support/content.h"

namespace platter::registry {
namespace {

using test::FileBytes;
using test::Network;

constexpr std::size_t kSize = 1'000'448;  // whole sectors
constexpr const char* kDisk = "http://example.org/file/disk";

class AddLocationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Network::Enter().SetUsualHosts();
    server_ = std::make_unique<test::WebServer>();
    server_->Put("disk", Noise(kSize));
    server_->Put("other", Noise(kSize, 2));
    server_->Put("shorter", Noise(kSize - 512));
    const test::TempDir folder;
    test::MustRun({"qemu-img", "create", "-f", "qcow2", folder.File("a.qcow2"), "1G"});
    test::MustRun({"qemu-io", "-c", "write -P 7 100M 2M", folder.File("a.qcow2")});
    test::MustRun({"qemu-img", "create", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", folder.File("b.qcow2")});
    for (const std::string name : {"a.qcow2", "b.qcow2"}) server_->Put(name, FileBytes(folder.File(name)));
  }
  static void TearDownTestSuite() { server_.reset(); }

  AddLocationTest() : stores_(OpenStores(home_)), staging_(OpenStaging(home_)) {}

  static StoreSet OpenStores(const std::string& home) {
    FileStoreOptions options;
    options.folders = {{home + "/file"}};
    std::vector<std::shared_ptr<Store>> stores = {FileStore::Open(options).value(),
                                                  std::make_shared<HttpStore>(HttpStoreOptions{"web", {}})};
    return StoreSet::Make(std::move(stores), "file").value();
  }
  Result<ImageRecord> Added(const ImageRecord& image, const NewLocation& location) {
    refusal_ = {};
    return AddLocation(context_, staging_, image.id, location, refusal_);
  }
  // The image is as it was.
  void ExpectError(const ImageRecord& image, const NewLocation& location, ErrorKind kind, const std::string& words) {
    const auto added = Added(image, location);
    ASSERT_FALSE(added.ok()) << location.url << ": " << words;
    EXPECT_EQ(added.error().kind(), kind) << added.error().Describe();
    EXPECT_NE(added.error().Describe().find(words), std::string::npos) << added.error().Describe();
    EXPECT_EQ(registry_.catalog->Find(image.id).value().version, image.version);
  }

  static inline std::unique_ptr<test::WebServer> server_;
  const test::TempDir folder_;
  const std::string home_ = folder_.path().lexically_normal().string();
  Registry registry_{home_};
  StoreSet stores_;
  const StagingArea staging_;
  IngestContext context_{*registry_.catalog, stores_, DigestPool::Make(1).value(), {}};
  Refusal refusal_;
};

TEST_F(AddLocationTest, AQueuedImageBecomesActiveWithWhatWasFound) {
  const ImageRecord image = registry_.Queued("qcow2");
  const auto added = Added(image, {.url = "http://example.org/file/a.qcow2", .metadata = {{"a", "\"b\""}}});
  ASSERT_TRUE(added.ok()) << added.error().Describe();
  const ImageRecord record = registry_.catalog->Find(image.id).value();
  EXPECT_EQ(record.status, Status::kActive);
  EXPECT_EQ(record.virtual_size, std::uint64_t{1} << 30);
  EXPECT_EQ(record.size, stores_.FindFor(kDisk)->SizeOf("http://example.org/file/a.qcow2").value());
  EXPECT_FALSE(record.checksum || record.hash_value);
  ASSERT_EQ(record.locations.size(), 1U);
  EXPECT_EQ(record.locations[0].store, "web");
  EXPECT_EQ(record.locations[0].metadata.at("a"), "\"b\"");
  EXPECT_EQ(registry_.Files(), 0U);
  // Its bytes are somebody else's, and stay.
  ASSERT_TRUE(RemoveImage(*registry_.catalog, stores_, &staging_, image.id).ok());
  EXPECT_EQ(stores_.FindFor(kDisk)->SizeOf(kDisk).value(), kSize);
}

TEST_F(AddLocationTest, AServerWithoutRangesIsReadOnce) {
  const ImageRecord image = registry_.Queued("raw");
  const auto added = Added(image, {.url = "http://example.org/plain/disk"});
  ASSERT_TRUE(added.ok()) << added.error().Describe();
  EXPECT_EQ(added.value().virtual_size, kSize);
  EXPECT_EQ(registry_.Files(), 0U) << "nothing of it stays";
  const ImageRecord refused = registry_.Queued("qcow2");
  ExpectError(refused, {.url = "http://example.org/plain/disk"}, ErrorKind::kDenied, "policy.format");
  EXPECT_EQ(registry_.Files(), 0U);
}

TEST_F(AddLocationTest, WhatIsUnsafeOrNotAsDeclaredIsRefused) {
  const ImageRecord image = registry_.Queued("qcow2");
  ExpectError(image, {.url = "http://example.org/file/b.qcow2"}, ErrorKind::kDenied, "qcow2.backing_file");
  EXPECT_EQ(refusal_.code, "qcow2.backing_file");
  ExpectError(image, {.url = kDisk}, ErrorKind::kDenied, "policy.format");
  ExpectError(registry_.Queued("raw"), {.url = "http://example.org/file/a.qcow2"}, ErrorKind::kDenied, "");
  context_.rules.require_format_match = false;
  EXPECT_TRUE(Added(image, {.url = kDisk}).ok());
}

TEST_F(AddLocationTest, LocationsThatAreOfNoUse) {
  const ImageRecord image = registry_.Queued("raw");
  const struct {
    std::string url, says;
  } kRows[] = {
      {"file:///etc/passwd", "no store takes"},
      {"file://" + home_ + "/file/x", "no store takes"},
      {"ftp://example.org/disk", "no store takes"},
      {"swift+http://example.org/disk", "no store takes"},
      {"", "no store takes"},
      {"http://127.0.0.1/file/disk", "loopback"},
      {"http://intern.example/file/disk", "no public address"},
      {"http://example.org:8080/file/disk", "port"},
      {"http://user:password@example.org/file/disk", "user"},
      {"http://example.org/to/302?http://127.0.0.1/file/disk", "following a redirect"},
      {"http://example.org/status/404", "no such object"},
      {"http://example.org/status/500", "HTTP 500"},
      {"http://nowhere.example/", "leads nowhere"},
      {"http://example.org/chunked/disk", "how large"},
      {"http://example.org/cut/disk", "announced length"},
  };
  for (const auto& row : kRows) ExpectError(image, {.url = row.url}, ErrorKind::kInvalid, row.says);
  ExpectError(image, {.url = kDisk, .position = 1}, ErrorKind::kInvalid, "position");
}

TEST_F(AddLocationTest, SizesHaveLimits) {
  context_.rules.max_image_bytes = kSize - 1;
  ExpectError(registry_.Queued("raw"), {.url = kDisk}, ErrorKind::kLimit, "larger");
  context_.rules.max_image_bytes = kSize;
  EXPECT_TRUE(Added(registry_.Queued("raw"), {.url = kDisk}).ok());
  context_.rules.quota_bytes = 2 * kSize - 1;
  ExpectError(registry_.Queued("raw"), {.url = kDisk}, ErrorKind::kLimit, "quota");
  EXPECT_TRUE(Added(registry_.Queued("raw", "bare", "them"), {.url = kDisk}).ok());
}

// As Glance counts them: an image has its size as many times as it has locations.
TEST_F(AddLocationTest, EachLocationCountsAgainstTheQuota) {
  const ImageRecord image = registry_.Queued("raw");
  NewLocation first{.url = kDisk};
  first.checksum = Digest::Make(DigestAlgorithm::kMd5).value().Of(Noise(kSize)).value().Hex();
  context_.rules.quota_bytes = 2 * kSize - 1;
  context_.rules.max_image_bytes = kSize;
  const auto active = Added(image, first);
  ASSERT_TRUE(active.ok()) << active.error().Describe();
  context_.rules.max_image_bytes = 1;  // is for new images
  const std::string again = std::string(kDisk) + "?again";
  ExpectError(active.value(), {.url = again}, ErrorKind::kLimit, "quota");
  ExpectError(active.value(), {.url = "http://nowhere.example/"}, ErrorKind::kLimit, "quota");
  EXPECT_TRUE(Added(active.value(), {.url = again, .replaced = 1}).ok()) << "the other one goes";
  context_.rules.quota_bytes = 3 * kSize;
  EXPECT_TRUE(Added(active.value(), {.url = std::string(kDisk) + "?more"}).ok());
  EXPECT_EQ(registry_.catalog->UsageOf("us").value().bytes, 3 * kSize);
}

// Nobody is asked for what the record has no room for.
TEST_F(AddLocationTest, TooMuchMetadataIsRefusedBeforeAnythingIsRead) {
  const ImageRecord image = registry_.Queued("raw");
  const std::string nowhere = "http://nowhere.example/";
  ExpectError(image, {.url = nowhere}, ErrorKind::kInvalid, "leads nowhere");
  ExpectError(image, {.url = nowhere, .metadata = {{"a", std::string(kMostBulkBytes + 20000, 'm')}}}, ErrorKind::kLimit,
              "too large together");
  ExpectError(image, {.url = nowhere, .metadata = {{std::string(256, 'n'), "1"}}}, ErrorKind::kInvalid, "metadata");
}

TEST_F(AddLocationTest, WhatTheClientSaysOfTheBytes) {
  const ImageRecord image = registry_.Queued("raw");
  const std::string md5(32, 'A');
  const std::string sha(128, 'b');
  const NewLocation good{
      .url = kDisk, .metadata = {}, .position = {}, .checksum = md5, .hash_algorithm = "sha512", .hash_value = sha};
  const auto with = [&good](auto change) {
    NewLocation location = good;
    change(location);
    return location;
  };
  for (const NewLocation& wrong : {with([](NewLocation& location) { location.checksum = "abc"; }),
                                   with([](NewLocation& location) { location.checksum = std::string(32, 'g'); }),
                                   with([](NewLocation& location) { location.hash_algorithm = "md5"; }),
                                   with([](NewLocation& location) { location.hash_algorithm.reset(); }),
                                   with([](NewLocation& location) { location.hash_value.reset(); }),
                                   with([](NewLocation& location) { location.hash_value = std::string(127, 'b'); })}) {
    ExpectError(image, wrong, ErrorKind::kConflict, "");
  }
  const auto added = Added(image, good);
  ASSERT_TRUE(added.ok()) << added.error().Describe();
  EXPECT_EQ(added.value().checksum, std::string(32, 'a'));
  EXPECT_EQ(added.value().hash_algorithm, "sha512");
  EXPECT_EQ(added.value().hash_value, sha);
  // It is not what the bytes are, and so no other location has it.
  ExpectError(added.value(), {.url = "http://example.org/plain/disk"}, ErrorKind::kConflict, "bytes are not");
}

TEST_F(AddLocationTest, AnActiveImagesBytesAreComparedWhole) {
  const ImageRecord image = registry_.Uploaded(registry_.Queued("raw"), Noise(kSize)).value();
  ExpectError(image, {.url = "http://example.org/file/other"}, ErrorKind::kConflict, "bytes are not");
  ExpectError(image, {.url = "http://example.org/file/shorter"}, ErrorKind::kConflict, "size");
  ExpectError(image, {.url = "http://example.org/status/404"}, ErrorKind::kInvalid, "no such object");
  ExpectError(image, {.url = kDisk, .metadata = {}, .position = {}, .checksum = std::string(32, 'a')},
              ErrorKind::kConflict, "already set");
  ExpectError(image, {.url = image.locations[0].url}, ErrorKind::kExists, "already");
  const auto first = Added(image, {.url = kDisk, .metadata = {}, .position = 0});
  ASSERT_TRUE(first.ok()) << first.error().Describe();
  EXPECT_EQ(first.value().locations.at(0).url, kDisk);
  const auto last = Added(image, {.url = "http://example.org/plain/disk"});
  ASSERT_TRUE(last.ok()) << last.error().Describe();
  EXPECT_EQ(last.value().locations.at(2).url, "http://example.org/plain/disk");
  EXPECT_EQ(last.value().checksum, image.checksum);
}

TEST_F(AddLocationTest, OnlyForImagesThatAreQueuedOrActive) {
  const auto moved = [this](Status status) {
    const ImageRecord image = registry_.Queued("raw");
    return registry_.catalog
        ->Change(image.id,
                 [status](ImageRecord& record) -> Result<> {
                   record.status = status;
                   return Done{};
                 })
        .value();
  };
  for (const Status status : {Status::kSaving, Status::kUploading, Status::kImporting}) {
    ExpectError(moved(status), {.url = kDisk}, ErrorKind::kConflict, std::string(StatusName(status)));
  }
  Refusal refusal;
  EXPECT_EQ(AddLocation(context_, staging_, NewIdentifier(), {.url = kDisk}, refusal).error().kind(),
            ErrorKind::kNotFound);
  ImageRecord formless;
  formless.id = NewIdentifier();
  formless = registry_.catalog->Insert(formless).value();
  ExpectError(formless, {.url = kDisk}, ErrorKind::kInvalid, "disk_format");
}

}  // namespace
}  // namespace platter::registry
