#include "registry-core/ingest/upload.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <string_view>
#include <thread>

#include "convert/hash/digest.h"
#include "registry-core/ingest/staged_upload.h"
#include "tests/registry/ingest/odd_store.h"
#include "tests/registry/ingest/registry.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::registry {
namespace {

std::string HexOf(DigestAlgorithm algorithm, const Bytes& bytes) {
  return Digest::Make(algorithm).value().Of(bytes).value().Hex();
}

Bytes StoredBytes(const ImageRecord& image) { return test::FileBytes(image.locations.at(0).url.substr(7)); }

class UploadTest : public testing::Test {
 protected:
  const test::TempDir folder_;
};

TEST_F(UploadTest, ARecordBecomesActiveWithAllThatIsKnown) {
  Registry registry(folder_.File("r"));
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{5} << 20}) {
    for (const std::size_t piece : {std::size_t{777}, std::size_t{1} << 20}) {
      const Bytes bytes = Noise(size, size + 1);
      const ImageRecord image = registry.Queued("raw");
      const auto active = registry.Uploaded(image, bytes, nullptr, piece);
      ASSERT_TRUE(active.ok()) << active.error().Describe();
      const ImageRecord found = registry.catalog->Find(image.id).value();
      EXPECT_EQ(found.status, Status::kActive);
      EXPECT_EQ(found.size, size);
      EXPECT_EQ(found.virtual_size, (size + 511) / 512 * 512);  // a guest sees whole sectors
      EXPECT_EQ(found.checksum, HexOf(DigestAlgorithm::kMd5, bytes));
      EXPECT_EQ(found.hash_algorithm, "sha512");
      EXPECT_EQ(found.hash_value, HexOf(DigestAlgorithm::kSha512, bytes));
      ASSERT_EQ(found.locations.size(), 1U);
      EXPECT_EQ(found.locations[0].store, "file");
      EXPECT_TRUE(test::SameBytes(StoredBytes(found), bytes));
      EXPECT_EQ(found.version, active.value().version);
    }
  }
  EXPECT_EQ(registry.Files(), 8U);
}

// Of no bytes nobody can say that they are no qcow2.
TEST_F(UploadTest, WithoutBytesABareImageIsWhatItIsDeclaredAs) {
  Registry registry(folder_.File("r"));
  const StagingArea staging = OpenStaging(folder_.File("r"));
  const struct {
    const char* disk;
    const char* container;
    bool accepted;
  } kRows[] = {{"qcow2", "bare", true}, {"raw", "bare", true},    {"iso", "bare", true},         {"vmdk", "bare", true},
               {"vmdk", "ova", false},  {"raw", "docker", false}, {"qcow2", "compressed", false}};
  for (const auto& row : kRows) {
    const ImageRecord image = registry.Queued(row.disk, row.container);
    const ImageRecord staged = registry.Queued(row.disk, row.container);
    ASSERT_TRUE(StagedUpload::Begin(registry.context, staging, staged.id, 0).value()->Finish().ok());
    const auto import = [](ImageRecord& record) -> Result<> {
      record.status = Status::kImporting;
      return Done{};
    };
    ASSERT_TRUE(registry.catalog->Change(staged.id, import).ok());
    const auto uploaded = registry.Uploaded(image, {});
    const auto imported = Upload::Begin(registry.context, staged.id, Upload::Way::kImport, "", 0).value()->Finish();
    for (const auto* finished : {&uploaded, &imported}) {
      ASSERT_EQ(finished->ok(), row.accepted) << row.disk << " in " << row.container;
      if (!row.accepted) continue;
      EXPECT_EQ(finished->value().status, Status::kActive);
      EXPECT_EQ(finished->value().size, 0U);
      EXPECT_EQ(finished->value().virtual_size, 0U);
    }
  }
  Refusal refusal;
  EXPECT_FALSE(registry.Uploaded(registry.Queued("qcow2"), Noise(1), &refusal).ok());
  EXPECT_EQ(refusal.code, "policy.format");
}

Bytes With(Bytes bytes, std::size_t at, std::string_view text) {
  const auto piece = std::as_bytes(std::span(text));
  std::ranges::copy(piece, bytes.begin() + static_cast<std::ptrdiff_t>(at));
  return bytes;
}

// What Cinder uploads of an encrypted volume: nobody here can look into it.
TEST_F(UploadTest, AnEncryptedVolumeIsOpaque) {
  using namespace std::string_view_literals;
  Registry registry(folder_.File("r"));
  const std::string file = folder_.File("luks");
  test::MustRun({"qemu-img", "create", "-q", "-f", "luks", "--object", "secret,id=s,data=abc", "-o",
                 "key-secret=s,iter-time=10", file, "1M"});
  const Bytes one = test::FileBytes(file);
  const Bytes two = With(Bytes(1 << 20), 0, "LUKS\xBA\xBE\0\2"sv);
  const Bytes with_mbr = With(With(two, 510, "\x55\xAA"sv), 494, "\0\0\0\0\x83\0\0\0\1\0\0\0\xFF\x07\0\0"sv);
  const Bytes with_gpt = With(With(two, 510, "\x55\xAA"sv), 494, "\0\0\2\0\xEE\0\0\0\1\0\0\0\xFF\x07\0\0"sv);
  const std::string iso = folder_.File("iso");
  test::MustRun({"genisoimage", "-quiet", "-o", iso, folder_.File("luks")});
  const Bytes with_iso = With(test::FileBytes(iso), 0, "LUKS\xBA\xBE\0\2"sv);
  const Bytes with_vdi = With(two, 64, "\x7F\x10\xDA\xBE"sv);
  const Bytes with_footer = With(two, two.size() - 512, "conectix"sv);
  const struct {
    const char* what;
    const Bytes& bytes;
    const char* disk;
    const char* container;
    const char* key;
    const char* code;  // "": accepted
  } kRows[] = {
      {"version 1", one, "raw", "bare", "k", ""},
      {"version 2", two, "raw", "bare", "k", ""},
      {"no key", two, "raw", "bare", nullptr, "luks.encrypted"},
      {"an empty key", two, "raw", "bare", "", "luks.encrypted"},
      {"another format", two, "qcow2", "bare", "k", "luks.encrypted"},
      {"another container", two, "raw", "docker", "k", "luks.encrypted"},
      {"an ami", two, "ami", "ami", "k", "luks.encrypted"},
      {"an MBR", with_mbr, "raw", "bare", "k", "content.ambiguous"},
      {"a protective MBR", with_gpt, "raw", "bare", "k", "content.ambiguous"},
      {"an ISO", with_iso, "raw", "bare", "k", "content.ambiguous"},
      {"a VDI, in part", with_vdi, "raw", "bare", "k", "vdi.header"},
      {"a footer", with_footer, "raw", "bare", "k", "content.stray_footer"},
  };
  for (const auto& row : kRows) {
    ImageRecord image = registry.Queued(row.disk, row.container);
    if (row.key != nullptr) image.properties["cinder_encryption_key_id"] = row.key;
    image = registry.catalog->Update(image).value();
    Refusal refusal;
    const auto uploaded = registry.Uploaded(image, row.bytes, &refusal, 40000);
    EXPECT_EQ(refusal.code, row.code) << row.what << (uploaded.ok() ? "" : uploaded.error().Describe());
    ASSERT_EQ(uploaded.ok(), std::string_view(row.code).empty()) << row.what;
    if (!uploaded.ok()) continue;
    EXPECT_EQ(uploaded.value().virtual_size, row.bytes.size());
    EXPECT_TRUE(test::SameBytes(StoredBytes(uploaded.value()), row.bytes));
  }
  // Raw bytes of such a record are judged as all others.
  ImageRecord other = registry.Queued("raw");
  other.properties["cinder_encryption_key_id"] = "k";
  other = registry.catalog->Update(other).value();
  Refusal refusal;
  EXPECT_FALSE(registry.Uploaded(other, With(Bytes(1 << 20), 0, "QFI\xFB\0\0\0\3"sv), &refusal).ok());
  EXPECT_TRUE(registry.Uploaded(other, Noise(1000)).ok());
}

// A database that is locked for longer than a call waits for it (a second, and one more with a new connection), and for
// less than an upload does.
TEST_F(UploadTest, AShortOutageAtTheEndIsWaitedFor) {
  IngestRules rules;
  rules.quota_bytes = 5000;
  Registry registry(folder_.File("r"), rules);
  const auto impatient =
      Catalog::Open(DatabaseUrl::Parse("sqlite:///" + registry.home + "/registry.sqlite").value(), {.wait_seconds = 1})
          .value();
  const IngestContext context{*impatient, registry.stores, registry.context.digests, rules};
  const ImageRecord image = registry.Queued("raw");
  auto upload = Upload::Begin(context, image.id, Upload::Way::kDirect, "", std::nullopt).value();
  ASSERT_TRUE(upload->Feed(Noise(1000)).ok());
  std::promise<void> locked;
  std::thread holder([&] {
    const auto hold = [&](ImageRecord&) -> Result<> {
      locked.set_value();
      std::this_thread::sleep_for(std::chrono::seconds(3));
      return Done{};
    };
    EXPECT_TRUE(registry.catalog->Change(registry.Queued("raw").id, hold).ok());
  });
  locked.get_future().wait();
  const auto finished = upload->Finish();
  holder.join();
  ASSERT_TRUE(finished.ok()) << finished.error().Describe();
  EXPECT_EQ(finished.value().status, Status::kActive);
}

TEST_F(UploadTest, AnotherHashAndSeveralStores) {
  IngestRules rules;
  rules.hash_algorithm = "sha256";
  Registry registry(folder_.File("r"), rules);
  const Bytes bytes = Noise(100000);
  const ImageRecord image = registry.Queued("raw");
  auto upload =
      Upload::Begin(registry.context, image.id, Upload::Way::kDirect, UploadTargets{{"other", "file"}}, std::nullopt);
  ASSERT_TRUE(upload.ok()) << upload.error().Describe();
  ASSERT_TRUE(upload.value()->Feed(bytes).ok());
  const auto active = upload.value()->Finish();
  ASSERT_TRUE(active.ok()) << active.error().Describe();
  EXPECT_EQ(active.value().hash_value, HexOf(DigestAlgorithm::kSha256, bytes));
  ASSERT_EQ(active.value().locations.size(), 2U);
  EXPECT_EQ(active.value().locations[0].store, "other");
  EXPECT_EQ(active.value().locations[1].store, "file");
  EXPECT_EQ(registry.Files(), 2U);
}

TEST_F(UploadTest, WhatCannotBegin) {
  Registry registry(folder_.File("r"));
  const auto kind = [&](const std::string& id, const std::string& store = "",
                        std::optional<std::uint64_t> size = std::nullopt) {
    return Upload::Begin(registry.context, id, Upload::Way::kDirect, store, size).error().kind();
  };
  EXPECT_EQ(kind(NewIdentifier()), ErrorKind::kNotFound);
  ImageRecord bare = registry.Queued("raw");
  EXPECT_EQ(kind(bare.id, "nowhere"), ErrorKind::kInvalid);
  EXPECT_EQ(kind(bare.id, "", (std::uint64_t{1} << 40) + 1), ErrorKind::kLimit);
  bare.container_format.reset();
  bare = registry.catalog->Update(bare).value();
  EXPECT_EQ(kind(bare.id), ErrorKind::kInvalid);
  const ImageRecord active = registry.Queued("raw");
  ASSERT_TRUE(registry.Uploaded(active, Noise(10)).ok());
  EXPECT_EQ(kind(active.id), ErrorKind::kConflict);
  const ImageRecord twice = registry.Queued("raw");
  const auto first = Upload::Begin(registry.context, twice.id, Upload::Way::kDirect, "", std::nullopt);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(registry.StatusOf(twice.id), Status::kSaving);
  EXPECT_EQ(kind(twice.id), ErrorKind::kConflict);
  EXPECT_EQ(registry.Files(), 2U);
}

TEST_F(UploadTest, ABrokenConnectionLeavesNothing) {
  Registry registry(folder_.File("r"));
  const Bytes bytes = Noise(3 << 20);
  const ImageRecord image = registry.Queued("raw");
  test::Random random(7);
  for (int round = 0; round < 30; ++round) {
    {
      auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "",
                                  round % 2 == 0 ? std::optional(bytes.size()) : std::nullopt);
      ASSERT_TRUE(upload.ok()) << upload.error().Describe();
      const std::size_t length = random.Below(bytes.size());
      for (std::size_t at = 0; at < length; at += 100000) {
        ASSERT_TRUE(
            upload.value()->Feed(std::span(bytes).subspan(at, std::min<std::size_t>(100000, length - at))).ok());
      }
      EXPECT_EQ(registry.Files(), 1U);
    }
    const ImageRecord found = registry.catalog->Find(image.id).value();
    EXPECT_EQ(found.status, Status::kQueued);
    EXPECT_FALSE(found.size || found.virtual_size || found.checksum);
    EXPECT_EQ(registry.Files(), 0U);
  }
  EXPECT_TRUE(registry.Uploaded(image, bytes).ok());
}

TEST_F(UploadTest, MoreAndFewerBytesThanAnnounced) {
  Registry registry(folder_.File("r"));
  const ImageRecord image = registry.Queued("raw");
  for (const std::size_t fed : {std::size_t{99}, std::size_t{101}}) {
    auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "", 100).value();
    auto done = upload->Feed(Noise(fed));
    if (done.ok()) {
      auto finished = upload->Finish();
      ASSERT_FALSE(finished.ok());
      EXPECT_EQ(finished.error().kind(), ErrorKind::kInvalid);
    } else {
      EXPECT_EQ(done.error().kind(), ErrorKind::kInvalid);
    }
    EXPECT_EQ(registry.StatusOf(image.id), Status::kQueued);  // at once, not when the object goes
    EXPECT_EQ(registry.Files(), 0U);
    EXPECT_FALSE(upload->Feed(Noise(1)).ok());
    EXPECT_FALSE(upload->Finish().ok());
  }
}

TEST_F(UploadTest, SizesOverTheCapAndTheQuota) {
  IngestRules rules;
  rules.max_image_bytes = 1000;
  rules.quota_bytes = 1500;
  Registry registry(folder_.File("r"), rules);
  const auto fed = [&](const ImageRecord& image, std::size_t size) {
    auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "", std::nullopt).value();
    auto done = upload->Feed(Noise(size));
    return done.ok() ? std::optional<ErrorKind>() : done.error().kind();
  };
  EXPECT_EQ(fed(registry.Queued("raw"), 1001), ErrorKind::kLimit);
  EXPECT_EQ(fed(registry.Queued("raw"), 1000), std::nullopt);
  ASSERT_TRUE(registry.Uploaded(registry.Queued("raw"), Noise(900)).ok());
  EXPECT_EQ(fed(registry.Queued("raw"), 601), ErrorKind::kLimit);
  EXPECT_EQ(fed(registry.Queued("raw"), 600), std::nullopt);
  EXPECT_EQ(fed(registry.Queued("raw", "bare", "others"), 601), std::nullopt);
  EXPECT_EQ(registry.Uploaded(registry.Queued("raw"), Noise(601)).error().kind(), ErrorKind::kLimit);
  // Two that fit alone, and not together.
  const ImageRecord one = registry.Queued("raw");
  const ImageRecord two = registry.Queued("raw");
  auto first = Upload::Begin(registry.context, one.id, Upload::Way::kDirect, "", std::nullopt).value();
  auto second = Upload::Begin(registry.context, two.id, Upload::Way::kDirect, "", std::nullopt).value();
  ASSERT_TRUE(first->Feed(Noise(500)).ok());
  ASSERT_TRUE(second->Feed(Noise(500)).ok());
  EXPECT_TRUE(first->Finish().ok());
  EXPECT_EQ(second->Finish().error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(registry.StatusOf(two.id), Status::kQueued);
  EXPECT_EQ(registry.Files(), 2U);
}

TEST_F(UploadTest, AnImageThatIsDeletedMeanwhile) {
  Registry registry(folder_.File("r"));
  const ImageRecord image = registry.Queued("raw");
  auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "", std::nullopt).value();
  ASSERT_TRUE(upload->Feed(Noise(1000)).ok());
  const auto change = [](ImageRecord& record) -> Result<> {
    record.status = Status::kDeleted;
    record.deleted = Now();
    return Done{};
  };
  ASSERT_TRUE(registry.catalog->Change(image.id, change).ok());
  auto finished = upload->Finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(registry.StatusOf(image.id), Status::kDeleted);
  EXPECT_EQ(registry.Files(), 0U);

  const ImageRecord fed = registry.Queued("raw");
  upload = Upload::Begin(registry.context, fed.id, Upload::Way::kDirect, "", std::nullopt).value();
  ASSERT_TRUE(registry.catalog->Change(fed.id, change).ok());
  const Bytes piece(1 << 10);
  Result<> result = Done{};
  while (result.ok()) result = upload->Feed(piece);
  EXPECT_EQ(result.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(registry.Files(), 0U);
}

TEST_F(UploadTest, PropertiesThatChangeMeanwhileStay) {
  Registry registry(folder_.File("r"));
  const ImageRecord image = registry.Queued("raw");
  auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "", std::nullopt).value();
  const auto rename = [](ImageRecord& record) -> Result<> {
    record.name = "renamed";
    return Done{};
  };
  ASSERT_TRUE(registry.catalog->Change(image.id, rename).ok());
  ASSERT_TRUE(upload->Feed(Noise(10)).ok());
  EXPECT_EQ(upload->Finish().value().name, "renamed");
}

TEST_F(UploadTest, BytesAreJudgedByTheFormatsThatTheRecordEndsWith) {
  Registry registry(folder_.File("r"));
  const ImageRecord image = registry.Queued("raw");
  auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "", std::nullopt).value();
  ASSERT_TRUE(upload->Feed(Noise(1000)).ok());
  const auto rename = [](ImageRecord& record) -> Result<> {
    record.disk_format = "qcow2";
    return Done{};
  };
  ASSERT_TRUE(registry.catalog->Change(image.id, rename).ok());
  EXPECT_EQ(upload->Finish().error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(registry.StatusOf(image.id), Status::kQueued);
  EXPECT_EQ(registry.Files(), 0U);
}

TEST_F(UploadTest, TheFirstOfSeveralStoresMayFailAtTheEnd) {
  Registry registry(folder_.File("r"), {}, {std::make_shared<OddStore>()});
  const Bytes bytes = Noise(1000);
  for (const bool all : {true, false}) {
    const ImageRecord image = registry.Queued("raw");
    auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, UploadTargets{{"odd", "file"}, all},
                                std::nullopt)
                      .value();
    ASSERT_TRUE(upload->Feed(bytes).ok());
    const auto active = upload->Finish();
    ASSERT_EQ(active.ok(), !all);
    EXPECT_EQ(upload->failed_stores().size(), all ? 0U : 1U);
    if (!active.ok()) continue;
    EXPECT_TRUE(test::SameBytes(StoredBytes(active.value()), bytes));
  }
  EXPECT_EQ(registry.Files(), 1U);
}

TEST_F(UploadTest, TheQuotaIsOfEachOwner) {
  IngestRules rules;
  rules.quota_bytes = 1000;
  Registry registry(folder_.File("r"), rules);
  ASSERT_TRUE(registry.Uploaded(registry.Queued("raw", "bare", "them"), Noise(900)).ok());
  const auto nobodys = [&registry] {
    ImageRecord image = registry.Queued("raw");
    image.owner.reset();
    return registry.catalog->Update(image).value();
  };
  ASSERT_TRUE(registry.Uploaded(nobodys(), Noise(900)).ok());
  EXPECT_EQ(registry.Uploaded(nobodys(), Noise(101)).error().kind(), ErrorKind::kLimit);
}

TEST_F(UploadTest, TheQuotaCountsEveryStoreAndWhatIsImported) {
  IngestRules rules;
  rules.quota_bytes = 1000;
  Registry registry(folder_.File("r"), rules);
  const auto begun = [&](std::uint64_t size) {
    return Upload::Begin(registry.context, registry.Queued("raw").id, Upload::Way::kDirect,
                         UploadTargets{{"other", "file"}}, size);
  };
  EXPECT_EQ(begun(501).error().kind(), ErrorKind::kLimit);
  auto upload = begun(300).value();
  ASSERT_TRUE(upload->Feed(Noise(300)).ok());
  ASSERT_TRUE(upload->Finish().ok());
  EXPECT_EQ(registry.catalog->UsageOf("us").value().bytes, 600U);
  const auto import = [](ImageRecord& record) -> Result<> {
    record.status = Status::kImporting;
    record.size = 300;
    return Done{};
  };
  const ImageRecord imported = registry.catalog->Change(registry.Queued("raw").id, import).value();
  EXPECT_EQ(registry.Uploaded(registry.Queued("raw"), Noise(101)).error().kind(), ErrorKind::kLimit);
  EXPECT_TRUE(registry.Uploaded(registry.Queued("raw"), Noise(100)).ok());
  // What is imported does not count twice.
  EXPECT_TRUE(Upload::Begin(registry.context, imported.id, Upload::Way::kImport, "", 300).ok());
}

TEST_F(UploadTest, WhatIsStagedCountsAgainstTheQuota) {
  IngestRules rules;
  rules.quota_bytes = 1000;
  Registry registry(folder_.File("r"), rules);
  const StagingArea staging = OpenStaging(folder_.File("r"));
  const auto begun = [&](const ImageRecord& image, std::optional<std::uint64_t> size) {
    return StagedUpload::Begin(registry.context, staging, image.id, size);
  };
  ASSERT_TRUE(registry.Uploaded(registry.Queued("raw"), Noise(300)).ok());
  auto staged = begun(registry.Queued("raw"), 400).value();
  const ImageRecord queued = registry.Queued("raw");
  const auto over = begun(queued, 301);
  ASSERT_FALSE(over.ok()) << "while the others are on their way";
  EXPECT_EQ(over.error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(registry.StatusOf(queued.id), Status::kQueued);
  ASSERT_TRUE(staged->Feed(Noise(400)).ok());
  ASSERT_TRUE(staged->Finish().ok());
  EXPECT_EQ(begun(queued, 301).error().kind(), ErrorKind::kLimit);
  EXPECT_TRUE(begun(queued, 300).ok());
  EXPECT_TRUE(begun(registry.Queued("raw", "bare", "others"), 1000).ok());
  EXPECT_EQ(begun(queued, std::nullopt).value()->Feed(Noise(301)).error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(registry.StatusOf(queued.id), Status::kQueued);
  // Two that fit alone, and not together.
  auto first = begun(registry.Queued("raw"), std::nullopt).value();
  auto second = begun(queued, std::nullopt).value();
  ASSERT_TRUE(first->Feed(Noise(200)).ok());
  ASSERT_TRUE(second->Feed(Noise(200)).ok());
  EXPECT_TRUE(first->Finish().ok());
  EXPECT_EQ(second->Finish().error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(registry.StatusOf(queued.id), Status::kQueued);
  EXPECT_EQ(registry.Files(), 3U);
}

TEST_F(UploadTest, StagingSeesWhatHappensMeanwhile) {
  IngestRules rules;
  rules.quota_bytes = std::uint64_t{1} << 40;
  Registry registry(folder_.File("r"), rules);
  const StagingArea staging = OpenStaging(folder_.File("r"));
  const auto deleted = [](ImageRecord& record) -> Result<> {
    record.status = Status::kDeleted;
    record.deleted = Now();
    return Done{};
  };
  const auto fed_to_the_end = [](StagedUpload& upload) {
    const Bytes piece(1 << 10);
    Result<> result = Done{};
    while (result.ok()) result = upload.Feed(piece);
    return result.error().kind();
  };
  for (const auto size : {std::optional<std::uint64_t>(), std::optional(std::uint64_t{1} << 39)}) {
    const ImageRecord image = registry.Queued("raw");
    auto upload = StagedUpload::Begin(registry.context, staging, image.id, size).value();
    ASSERT_TRUE(registry.catalog->Change(image.id, deleted).ok());
    EXPECT_EQ(fed_to_the_end(*upload), ErrorKind::kCancelled);
    EXPECT_EQ(registry.Files(), 0U);
  }
  // Others have taken the room that there was at the beginning.
  auto upload = StagedUpload::Begin(registry.context, staging, registry.Queued("raw").id, std::nullopt).value();
  const auto taken = [&rules](ImageRecord& record) -> Result<> {
    record.status = Status::kUploading;
    record.size = rules.quota_bytes;
    return Done{};
  };
  ASSERT_TRUE(registry.catalog->Change(registry.Queued("raw").id, taken).ok());
  EXPECT_EQ(fed_to_the_end(*upload), ErrorKind::kLimit);
}

// What nobody waits for any more is not looked through to its end.
TEST_F(UploadTest, TheInspectionOfTheStoredFileEnds) {
  Registry registry(folder_.File("r"));
  int asked = 0;
  bool stopping = true;
  ImageRecord image = registry.Queued("raw");
  registry.context.cancelled = [&] {
    if (++asked > 1 || stopping) return stopping;
    EXPECT_TRUE(registry.catalog
                    ->Change(image.id,
                             [](ImageRecord& record) -> Result<> {
                               record.status = Status::kDeleted;
                               record.deleted = Now();
                               return Done{};
                             })
                    .ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(2100));
    return false;
  };
  auto ended = registry.Uploaded(image, Noise(100000));
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(registry.StatusOf(image.id), Status::kQueued);
  stopping = false;
  asked = 0;
  image = registry.Queued("raw");
  ended = registry.Uploaded(image, Noise(100000));
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(asked, 1) << "the first read after it is the last";
  EXPECT_EQ(registry.Files(), 0U);
}

// The window of a stream that is on its way is held: another one that asks for as much has to wait, and says so.
TEST_F(UploadTest, CompressedContentWithinTheMemoryForIt) {
  const std::string disk = folder_.File("disk");
  const std::string file = folder_.File("disk.zst");
  constexpr std::uint64_t kSize = std::uint64_t{200} << 20;
  test::WriteRawFile({kSize, {{0, kSize / 100, test::GuestRange::Kind::kNoise, 1}}}, disk);
  test::MustRun({"zstd", "-q", "-1", "--long=27", disk, "-o", file});
  const Bytes bytes = test::FileBytes(file);
  UnpackMemory memory(kMostUnpackMemory);
  Registry registry(folder_.File("r"));
  registry.context.unpack_memory = &memory;
  const ImageRecord first = registry.Queued("raw", "compressed");
  const ImageRecord second = registry.Queued("raw", "compressed");
  const auto begun = [&](const ImageRecord& image) {
    return Upload::Begin(registry.context, image.id, Upload::Way::kDirect, "", bytes.size()).value();
  };
  auto upload = begun(first);
  ASSERT_TRUE(upload->Feed(std::span(bytes).first(bytes.size() / 2)).ok());
  EXPECT_GT(memory.all().used(), std::uint64_t{128} << 20);
  {
    const MemoryBudget::Share others(&memory.all(), memory.all().limit() - memory.all().used());
    const auto fed = begun(second)->Feed(bytes);
    ASSERT_FALSE(fed.ok());
    EXPECT_EQ(fed.error().os_error(), ENOMEM) << fed.error().Describe();
    EXPECT_EQ(registry.StatusOf(second.id), Status::kQueued);
    EXPECT_EQ(registry.Files(), 1U);
  }
  ASSERT_TRUE(upload->Feed(std::span(bytes).subspan(bytes.size() / 2)).ok());
  const auto active = upload->Finish();
  ASSERT_TRUE(active.ok()) << active.error().Describe();
  EXPECT_EQ(active.value().virtual_size, kSize);
  upload.reset();
  EXPECT_EQ(memory.all().used(), 0U);
  const auto again = registry.Uploaded(second, bytes);
  EXPECT_TRUE(again.ok()) << again.error().Describe();
}

// An owner whose uploads have his part of the memory leaves the rest to others.
TEST_F(UploadTest, OneOwnersCompressedContentLeavesOthersTheirs) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const std::string disk = folder_.File("disk");
  const std::string file = folder_.File("disk.xz");
  test::WriteRawFile({kMiB, {{0, kMiB, test::GuestRange::Kind::kNoise, 1}}}, disk);
  test::MustRun({"sh", "-c", fmt::format("xz -9 -c {} > {}", disk, file)});
  const Bytes bytes = test::FileBytes(file);
  UnpackMemory memory(4 * kMostUnpackMemory);
  Registry registry(folder_.File("r"));
  registry.context.unpack_memory = &memory;
  const auto ours = memory.Of("us");
  EXPECT_EQ(memory.Of("us"), ours);
  EXPECT_EQ(ours->limit(), kMostUnpackMemory);
  EXPECT_EQ(memory.Of("")->limit(), 4 * kMostUnpackMemory);
  {
    const MemoryBudget::Share held(ours.get(), ours->limit() - kMiB);
    EXPECT_EQ(memory.all().used(), ours->used());
    const auto refused = registry.Uploaded(registry.Queued("raw", "compressed", "us"), bytes);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().os_error(), ENOMEM) << refused.error().Describe();
    const auto theirs = registry.Uploaded(registry.Queued("raw", "compressed", "them"), bytes);
    EXPECT_TRUE(theirs.ok()) << theirs.error().Describe();
  }
  const auto again = registry.Uploaded(registry.Queued("raw", "compressed", "us"), bytes);
  EXPECT_TRUE(again.ok()) << again.error().Describe();
  EXPECT_EQ(memory.all().used(), 0U);
}

}  // namespace
}  // namespace platter::registry
