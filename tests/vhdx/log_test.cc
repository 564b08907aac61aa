// Logs laid by hand from the specification, and logs that qemu left behind.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"
#include "tests/vhdx/vhdx_bytes.h"

namespace platter::test {
namespace {

using vhdx::kMiB;

constexpr vhdx::Guid kGuid = *vhdx::Guid::Parse("11112222-3333-4444-5555-666677778888");
constexpr std::uint64_t kSector = 4096;

// Three blocks of 1 MiB of noise, in the image's first three payload blocks.
const GuestDisk kDisk{.size = 3 * kMiB, .ranges = {{0, 3 * kMiB, GuestRange::Kind::kNoise, 7}}};

std::vector<std::byte> Filled(unsigned char value) { return std::vector<std::byte>(kSector, std::byte{value}); }

class Log : public testing::Test {
 protected:
  Log() : image_(VhdxBytes::Of(kDisk)), log_(image_, kGuid), guest_(kDisk.Content()) {
    log_.flushed = log_.last = image_.bytes.size();
  }

  void SetGuest(std::uint64_t offset, unsigned char value, std::uint64_t length = kSector) {
    std::fill_n(guest_.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{value});
  }

  // In memory, in place, and with every write of the replay interrupted once: the guest reads the same.
  void ExpectGuest() const {
    const std::string expected = Sha256OfBytes(guest_);
    const auto storage = image_.Storage();
    const auto read = ReadVhdx(storage);
    ASSERT_TRUE(read.ok()) << read.error().Describe();
    EXPECT_EQ(read.value(), expected);
    EXPECT_EQ(storage->Snapshot(), image_.bytes) << "reading changed the file";
    for (std::uint64_t crash = 0;; ++crash) {
      const auto base = image_.Storage();
      const auto faulty = std::make_shared<FaultyStorage>(base, FaultPlan{.crash_before_write = crash});
      const auto report = CheckVhdx(faulty, Repair::kAll);
      const auto again = ReadVhdx(base);
      ASSERT_TRUE(again.ok()) << "crash before write " << crash << ": " << again.error().Describe();
      EXPECT_EQ(again.value(), expected) << "crash before write " << crash;
      if (!report.ok()) continue;
      EXPECT_EQ(report.value().corruptions_fixed, 1U);
      EXPECT_EQ(report.value().corruptions, 0U);
      const auto clean = CheckVhdx(base, Repair::kNothing);
      EXPECT_TRUE(clean.ok() && clean.value().corruptions == 0);
      break;
    }
  }

  void ExpectRefused(ErrorKind kind, const std::string& words) const {
    const auto read = ReadVhdx(image_.Storage());
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind(), kind);
    EXPECT_NE(read.error().Describe().find(words), std::string::npos) << read.error().Describe();
  }

  VhdxBytes image_;
  LogMaker log_;
  std::vector<std::byte> guest_;
};

TEST_F(Log, ReplaysDataAndZeros) {
  log_.Add(0, 5, 0, {{kPayloadAt, Filled(1)}, {kPayloadAt + 8 * kSector, {}, 4 * kSector}});
  SetGuest(0, 1);
  SetGuest(8 * kSector, 0, 4 * kSector);
  ExpectGuest();
}

TEST_F(Log, LaterEntriesWin) {
  std::uint64_t at = log_.Add(0, 5, 0, {{kPayloadAt, {}, 8 * kSector}});
  at += log_.Add(at, 6, 0, {{kPayloadAt + 2 * kSector, Filled(2)}, {kPayloadAt + 3 * kSector, Filled(3)}});
  log_.Add(at, 7, 0, {{kPayloadAt + 3 * kSector, {}, kSector}});
  SetGuest(0, 0, 8 * kSector);
  SetGuest(2 * kSector, 2);
  ExpectGuest();
}

TEST_F(Log, WrapsAround) {
  const std::uint64_t start = kMiB - kSector;
  const std::uint64_t length = log_.Add(start, 9, start, {{kPayloadAt, Filled(4)}});
  log_.Add((start + length) % kMiB, 10, start, {{kPayloadAt + kSector, Filled(5)}});
  SetGuest(0, 4);
  SetGuest(kSector, 5);
  ExpectGuest();
}

TEST_F(Log, BeginsAtTheTailOfItsHead) {
  const std::uint64_t first = log_.Add(0, 3, 0, {{kPayloadAt, Filled(1)}});
  log_.Add(first, 4, first, {{kPayloadAt + kSector, Filled(2)}});
  SetGuest(kSector, 2);
  ExpectGuest();
}

TEST_F(Log, NewestSequenceCounts) {
  log_.Add(0, 50, 0, {{kPayloadAt, Filled(1)}});
  log_.Add(64 * kSector, 60, 64 * kSector, {{kPayloadAt, Filled(2)}});
  log_.Add(128 * kSector, 40, 128 * kSector, {{kPayloadAt, Filled(3)}});
  SetGuest(0, 2);
  ExpectGuest();
}

TEST_F(Log, TornLastEntryIsPassedOver) {
  const std::uint64_t first = log_.Add(0, 3, 0, {{kPayloadAt, Filled(1)}});
  log_.Add(first, 4, 0, {{kPayloadAt + kSector, Filled(2)}});
  image_.bytes[kLogAt + first + kSector + 100] ^= std::byte{1};
  SetGuest(0, 1);
  ExpectGuest();
}

TEST_F(Log, GrowsTheFile) {
  // The third block moves behind the end that the file has now.
  std::vector<std::byte> table(image_.bytes.begin() + static_cast<std::ptrdiff_t>(kBatAt),
                               image_.bytes.begin() + static_cast<std::ptrdiff_t>(kBatAt + kSector));
  const std::uint64_t end = image_.bytes.size();
  StoreLe(table.data() + 16, end | 6);
  log_.last = end + kMiB;
  log_.Add(0, 1, 0, {{kBatAt, table}, {end + kSector, Filled(9)}});
  SetGuest(2 * kMiB, 0, kMiB);
  SetGuest(2 * kMiB + kSector, 9);
  ExpectGuest();
}

TEST_F(Log, OfAnotherFileIsNone) {
  LogMaker(image_, *vhdx::Guid::Parse("99992222-3333-4444-5555-666677778888")).Add(0, 1, 0, {});
  for (const std::uint64_t at : vhdx::kHeaderOffsets) image_.PutGuid(at + vhdx::HeaderLayout::kLogGuid, kGuid);
  image_.SealHeaders();
  ExpectRefused(ErrorKind::kCorrupt, "no valid sequence");
}

TEST_F(Log, WithoutEntriesIsRefused) { ExpectRefused(ErrorKind::kCorrupt, "no valid sequence"); }

TEST_F(Log, WithItsTailElsewhereIsRefused) {
  log_.Add(0, 1, 8 * kSector, {{kPayloadAt, Filled(1)}});
  ExpectRefused(ErrorKind::kCorrupt, "no valid sequence");
}

TEST_F(Log, OfALongerFileIsRefused) {
  log_.flushed = image_.bytes.size() + 1;
  log_.Add(0, 1, 0, {{kPayloadAt, Filled(1)}});
  ExpectRefused(ErrorKind::kCorrupt, "flushed_file_offset");
}

TEST_F(Log, HasALimit) {
  std::vector<LogChange> changes;
  for (std::uint64_t at = 0; at < 100; ++at) changes.push_back({kPayloadAt + 2 * at * kSector, {}, kSector});
  log_.Add(0, 1, 0, changes);
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.limits.metadata_bytes = 4096;
  const auto image = Vhdx().open(image_.Storage(), context);
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().kind(), ErrorKind::kLimit);
}

TEST_F(Log, QemuWantsItReplayedFirst) {
  log_.Add(0, 1, 0, {{kPayloadAt, Filled(1)}});
  const TempDir folder;
  const auto file = FileStorage::Open(folder.File("image"), {.access = FileMode::Access::kCreate});
  ASSERT_TRUE(file.ok() && file.value()->WriteAt(0, image_.bytes).ok());
  const auto reopened = FileStorage::Open(folder.File("image"), {.lock = false});
  ASSERT_TRUE(reopened.ok());
  const auto read = ReadVhdx(reopened.value(), Dialect::kQemu);
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().Describe().find("contains a log that needs to be replayed"), std::string::npos);
}

struct BadEntry {
  const char* name;
  std::uint64_t field;  // of the entry, bytes
  std::size_t width;
  std::uint64_t value;
  const char* words;
};
void PrintTo(const BadEntry& bad, std::ostream* out) { *out << bad.name; }

// One data descriptor at 64, its data sector at 4096; the checksum is right.
constexpr BadEntry kBadEntries[] = {
    {"LengthZero", 8, 4, 0, "no valid sequence"},
    {"LengthMisaligned", 8, 4, 8191, "no valid sequence"},
    {"LengthOverTheLog", 8, 4, 2 * kMiB, "no valid sequence"},
    {"LengthMax", 8, 4, 0xFFFFFFFF, "no valid sequence"},
    {"TailMisaligned", 12, 4, 1, "no valid sequence"},
    {"TailOutside", 12, 4, kMiB, "no valid sequence"},
    {"SequenceZero", 16, 8, 0, "no valid sequence"},
    {"SequenceNotTheDescriptors", 16, 8, 77, "another sequence number"},
    {"TooManyDescriptors", 24, 4, 1000, "more descriptors than the entry has room for"},
    {"MaxDescriptors", 24, 4, 0xFFFFFFFF, "more descriptors than the entry has room for"},
    {"OneDescriptorMore", 24, 4, 2, "descriptor"},
    {"FlushedMax", 48, 8, ~std::uint64_t{0}, "flushed_file_offset"},
    {"LastMax", 56, 8, ~std::uint64_t{0}, "last_file_offset"},
    {"UnknownDescriptor", 64, 4, 0x12345678, "unknown descriptor"},
    {"TargetMisaligned", 80, 8, kPayloadAt + 1, "changes what it must not"},
    {"TargetHeader", 80, 8, 65536, "changes what it must not"},
    {"TargetZero", 80, 8, 0, "changes what it must not"},
    {"TargetLog", 80, 8, kLogAt, "changes what it must not"},
    {"TargetOutside", 80, 8, std::uint64_t{1} << 40, "changes what it must not"},
    {"TargetMax", 80, 8, ~std::uint64_t{0} - 4095, "changes what it must not"},
    {"DescriptorSequence", 88, 8, 2, "another sequence number"},
    {"DataSignature", 4096, 4, 0, "data sector does not belong"},
    {"DataSequenceHigh", 4100, 4, 1, "data sector does not belong"},
    {"DataSequenceLow", 8188, 4, 2, "data sector does not belong"},
};

class BadLogEntry : public Log, public testing::WithParamInterface<BadEntry> {};

TEST_P(BadLogEntry, IsRefused) {
  const BadEntry& bad = GetParam();
  log_.edit = [&](std::vector<std::byte>& entry) {
    for (std::size_t at = 0; at < bad.width; ++at) {
      entry[bad.field + at] = static_cast<std::byte>(bad.value >> (8 * at));
    }
  };
  log_.Add(0, 1, 0, {{kPayloadAt, Filled(1)}});
  ExpectRefused(ErrorKind::kCorrupt, bad.words);
}

INSTANTIATE_TEST_SUITE_P(All, BadLogEntry, testing::ValuesIn(kBadEntries),
                         [](const auto& row) { return row.param.name; });

// qemu's table write fails after its log write: what the guest wrote is in the log only.
TEST(QemusLog, IsReplayedAsQemuDoes) {
  const TempDir folder;
  const std::string path = folder.File("disk.vhdx");
  MustRun({"qemu-img", "create", "-q", "-f", "vhdx", path, "100M"});
  const std::string table_sector = std::to_string(2 * kMiB / 512);
  RunCommand({"qemu-io", "-c",
              "open -o driver=vhdx,file.driver=blkdebug,file.image.driver=file,file.image.filename=" + path +
                  ",file.inject-error.0.event=none,file.inject-error.0.iotype=write,file.inject-error.0.sector=" +
                  table_sector + ",file.inject-error.0.once=off",
              "-c", "write -P 9 1M 1M"});
  const auto read = [&] {
    const auto file = FileStorage::Open(path, {.lock = false});
    EXPECT_TRUE(file.ok());
    const auto digest = ReadVhdx(file.value());
    EXPECT_TRUE(digest.ok()) << digest.error().Describe();
    return digest.ok() ? digest.value() : "";
  };
  const std::string dirty = read();
  std::filesystem::copy_file(path, folder.File("ours.vhdx"));
  MustRun({"qemu-img", "check", "-r", "all", path});
  MustRun({"qemu-img", "convert", "-O", "raw", path, folder.File("theirs.raw")});
  EXPECT_EQ(dirty, Sha256OfFile(folder.File("theirs.raw")));

  const auto ours = FileStorage::Open(folder.File("ours.vhdx"), {.access = FileMode::Access::kReadWrite});
  ASSERT_TRUE(ours.ok());
  const auto report = CheckVhdx(ours.value(), Repair::kLeaks);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_EQ(report.value().corruptions_fixed, 1U);
  MustRun({"qemu-img", "compare", "-U", folder.File("ours.vhdx"), path});
}

}  // namespace
}  // namespace platter::test
