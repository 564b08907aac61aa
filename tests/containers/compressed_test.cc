// Disks in gzip, bzip2, xz and zstd, compressed by those tools and by 7zip, read by the tool; and streams as a forger
// makes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "formats/container_table.h"
#include "formats/containers/codec/decoder.h"
#include "formats/containers/codec/unpacked_storage.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

using codec::Compression;
using codec::UnpackedStorage;
using testing::HasSubstr;

const std::string kTool = PLATTER_TOOL;
constexpr std::uint64_t kDiskSize = std::uint64_t{6} << 20;
constexpr std::uint64_t kLargeDisk = std::uint64_t{24} << 20;  // more than is held

// A folder with disk.raw.
class Press {
 public:
  explicit Press(std::uint64_t size = kDiskSize) {
    GuestDisk disk;
    disk.size = size;
    disk.ranges = {{0, size / 4, GuestRange::Kind::kNoise, 7},
                   {size / 4, size / 2, GuestRange::Kind::kHole},
                   {size / 4 * 3, size / 4, GuestRange::Kind::kNoise, 9}};
    WriteRawFile(disk, File("disk.raw"));
  }

  std::string File(std::string_view name) const { return dir_.File(name); }
  CommandResult Try(const std::vector<std::string>& argv) const {
    CommandOptions options;
    options.folder = dir_.path().string();
    return RunCommand(argv, options);
  }
  std::string Run(const std::vector<std::string>& argv) const {
    CommandOptions options;
    options.folder = dir_.path().string();
    return MustRun(argv, options);
  }
  std::string Shell(const std::string& words) const { return Run({"sh", "-c", words}); }

 private:
  TempDir dir_;
};

struct Packing {
  std::string name;
  std::string compression;
  std::string pack;  // shell words: "image" into "image.z"
};
void PrintTo(const Packing& packing, std::ostream* out) { *out << packing.name; }

const std::vector<Packing> kPackings = {
    {"Gzip", "gzip", "gzip -c image > image.z"},
    {"GzipFast", "gzip", "gzip -1 -c image > image.z"},
    {"GzipOfSevenZip", "gzip", "7zz a -tgzip -si image.z < image > /dev/null"},
    {"GzipMembers", "gzip", "split -b 2M image p. && for p in p.*; do gzip -c $p; done > image.z"},
    {"GzipWithPadding", "gzip", "(gzip -c image; head -c 1000 /dev/zero) > image.z"},
    {"Bzip2", "bzip2", "bzip2 -1 -c image > image.z"},
    {"Bzip2Streams", "bzip2", "split -b 2M image p. && for p in p.*; do bzip2 -c $p; done > image.z"},
    {"Xz", "xz", "xz -1 -c image > image.z"},
    {"XzBlocks", "xz", "xz -1 --block-size=1MiB --check=sha256 -c image > image.z"},
    {"XzStreams", "xz",
     "(head -c 2000000 image | xz -0; tail -c +2000001 image | xz -1; head -c 8 /dev/zero) > image.z"},
    {"Zstd", "zstd", "zstd -q -c image > image.z"},
    {"ZstdLong", "zstd", "zstd -q --long=27 --no-check -c image > image.z"},
    {"ZstdBehindASkippedFrame", "zstd", "(printf 'P*M\\030\\007\\000\\000\\000skipped'; zstd -q -c image) > image.z"},
    {"ZstdOfPzstd", "zstd", "pzstd -q -p 2 -c image > image.z"},
    {"ZstdFrames", "zstd", "split -b 2M image p. && for p in p.*; do zstd -q -c $p; done > image.z"},
};

class Compressed : public testing::TestWithParam<Packing> {};

TEST_P(Compressed, HoldsTheDiskThatWasPutIn) {
  const Press press;
  for (const std::string format : {"raw", "qcow2", "vmdk -o subformat=streamOptimized"}) {
    press.Shell("qemu-img convert -O " + format + " disk.raw image && rm -f image.z p.* && " + GetParam().pack);
    press.Run({kTool, "convert", "-O", "qcow2", "image.z", "out.qcow2"});
    press.Run({"qemu-img", "compare", "-f", "qcow2", "-F", "raw", "out.qcow2", "disk.raw"});
    const std::string info = press.Run({kTool, "info", "--output=json", "image.z"});
    EXPECT_THAT(info, HasSubstr("\"container\": \"compressed\""));
    EXPECT_THAT(info, HasSubstr("\"compression\": \"" + GetParam().compression + "\""));
    EXPECT_THAT(info, HasSubstr("\"virtual-size\": " + std::to_string(kDiskSize)));
    for (const std::string input : {"- < image.z", "image.z", "--depth full image.z"}) {
      EXPECT_THAT(press.Shell(kTool + " inspect --output json --expect-container compressed " + input),
                  HasSubstr("\"virtual_size\": " + std::to_string(kDiskSize)))
          << input;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Packings, Compressed, testing::ValuesIn(kPackings),
                         [](const auto& row) { return row.param.name; });

struct Codec {
  std::string name;
  std::string end;
  std::string tool;
  std::string level;  // another than the usual
};
void PrintTo(const Codec& codec, std::ostream* out) { *out << codec.name; }

class CompressedMade : public testing::TestWithParam<Codec> {};

// Its tool finds it whole and unpacks the disk, whatever the number of threads, and so do we.
TEST_P(CompressedMade, IsWhatItsToolUnpacks) {
  const auto& [codec, end, tool, level] = GetParam();
  const Press press;
  press.Run({"qemu-img", "convert", "-O", "qcow2", "disk.raw", "disk.qcow2"});
  press.Run({kTool, "convert", "-O", "compressed", "disk.qcow2", "by-name" + end});
  press.Shell(tool + " -t by-name" + end + " && " + tool + " -d -c by-name" + end + " | cmp - disk.raw");
  press.Run({kTool, "compare", "by-name" + end, "disk.raw"});
  press.Run({kTool, "convert", "-m", "1", "-O", "compressed", "-o", "codec=" + codec, "disk.raw", "one"});
  press.Run({"cmp", "one", "by-name" + end});
  press.Shell(kTool + " convert -m 8 -O compressed -o codec=" + codec + " disk.qcow2 /dev/stdout | cmp - one");
  press.Run({kTool, "convert", "--compression-level", level, "-O", "compressed", "one", "other" + end});
  press.Shell(tool + " -d -c other" + end + " | cmp - disk.raw; cmp -s one other" + end + "; test $? = 1");
  // Noise as it is, zeros for next to nothing.
  press.Shell("test $(stat -c %s one) -lt 3200000");
}

// Of sizes that are no whole number of members, and disks of zeros, and none.
TEST_P(CompressedMade, EndsWhereTheDiskEnds) {
  const auto& [codec, end, tool, level] = GetParam();
  const Press press;
  for (const std::string size : {"0", "512", "1048576", "1049088", "70000128"}) {
    press.Shell("rm -f a.raw && truncate -s " + size + " a.raw && " + kTool + " convert -O compressed a.raw a" + end);
    press.Shell(tool + " -t a" + end + "; test $(" + tool + " -d -c a" + end + " | wc -c) = $(stat -c %s a.raw)");
  }
  press.Shell("truncate -s 5000000 a.raw; printf x | dd of=a.raw conv=notrunc bs=1 seek=2500000 status=none; " + kTool +
              " convert -f raw -O compressed a.raw a" + end + " && truncate -s %512 a.raw && " + tool + " -d -c a" +
              end + " | cmp - a.raw");
}

INSTANTIATE_TEST_SUITE_P(Codecs, CompressedMade,
                         testing::Values(Codec{"gzip", ".gz", "gzip", "6"}, Codec{"bzip2", ".bz2", "bzip2", "1"},
                                         Codec{"xz", ".xz", "xz", "0"}, Codec{"zstd", ".zst", "zstd -q", "9"}),
                         [](const auto& row) { return row.param.name; });

TEST(CompressedTool, RefusesWhatItCannotWrite) {
  const Press press;
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"disk.raw out", "say it with -o codec="},
      {"-o codec=lzip disk.raw out.gz", "gzip, bzip2, xz or zstd"},
      {"--compression-level 10 disk.raw out.gz", "1 to 9"},
      {"--compression-level 10 disk.raw out.xz", "0 to 9"},
      {"--compression-level 23 disk.raw out.zst", "1 to 22"},
      {"-B disk.raw -F raw disk.raw out.gz", "not supported"},
      {"-c disk.raw out.gz", "not supported"},
      {"-n disk.raw disk.raw", "Unknown file format"}};
  for (const auto& [words, error] : refused) {
    const CommandResult result = press.Try({"sh", "-c", kTool + " convert -O compressed " + words});
    EXPECT_EQ(result.exit_code, 1) << words;
    EXPECT_THAT(result.err, HasSubstr(error)) << words;
    EXPECT_EQ(press.Run({"ls"}), "disk.raw\n") << words;
  }
}

// Every write failing once, of data and of zeros: the host's error comes through, and what is there is no compressed
// file.
TEST(CompressedTool, FaultsComeThrough) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  GuestDisk disk;
  disk.size = 71 * kMiB + 512;
  disk.ranges = {{0, 8192, GuestRange::Kind::kText, 1},
                 {8192, 71 * kMiB - 8192, GuestRange::Kind::kHole},
                 {71 * kMiB, 512, GuestRange::Kind::kText, 2}};
  for (const char* name : {"a.gz", "a.bz2", "a.xz", "a.zst"}) {
    std::uint64_t failed = 0;
    for (;; ++failed) {
      const auto target =
          std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(name), FaultPlan{.fail_write = failed});
      CreateRequest request;
      request.storage = target;
      request.virtual_size = disk.size;
      auto writer = FindContainer("compressed")->create(request, *FindFormat("raw"));
      const auto done = writer.ok() ? WriteThrough(*writer.value(), disk) : Result<>(std::move(writer).error());
      EXPECT_EQ(ProbeContainer(target).value() != nullptr, done.ok()) << name << failed;
      if (done.ok()) break;
      EXPECT_EQ(done.error().kind(), ErrorKind::kIo) << name << failed;
    }
    EXPECT_GE(failed, 5U) << name;
  }
}

// Zeros, by far the best that there is: they fit into the bound of their codec with nothing on top, and only gzip's
// into what strangers may send.
TEST(UnpackedStorage, BoundIsWhatTheCodecCanDo) {
  const Press press;
  struct Row {
    const char* tool;
    Compression compression;
  };
  constexpr Row kRows[] = {
      {"gzip -9", Compression::kGzip},    {"bzip2 -9", Compression::kBzip2},
      {"xz -6", Compression::kXz},        {"zstd -q -19 --long=27", Compression::kZstd},
      {"zstd -q -1", Compression::kZstd},
  };
  for (const Row& row : kRows) {
    press.Shell(std::string("head -c 64M /dev/zero | ") + row.tool + " >zeros");
    const std::shared_ptr<Storage> stored = FileStorage::Open(press.File("zeros"), {}).value();
    codec::Bound bound = codec::OwnBound(row.compression);
    bound.on_top = 0;
    EXPECT_TRUE(UnpackedStorage::Make(stored, row.compression, bound).ok()) << row.tool;
    const auto strange = UnpackedStorage::Make(stored, row.compression, codec::Bound{});
    EXPECT_EQ(strange.ok(), row.compression == Compression::kGzip) << row.tool;
    if (strange.ok()) continue;
    EXPECT_EQ(strange.error().kind(), ErrorKind::kLimit) << row.tool;
  }
}

// At any place, on several threads, as the tool unpacks it.
TEST(UnpackedStorage, ReadsAnywhereOnManyThreads) {
  const Press press(kLargeDisk);
  press.Shell("gzip -1 -k disk.raw; split -b 3M disk.raw p.; for p in p.*; do xz -0 -c $p; done > disk.raw.xz");
  const auto plain = FileStorage::Open(press.File("disk.raw"), {}).value();
  const std::vector<std::pair<std::string, Compression>> kFiles = {{"disk.raw.gz", Compression::kGzip},
                                                                   {"disk.raw.xz", Compression::kXz}};
  for (const auto& row : kFiles) {
    const std::string& file = row.first;
    const auto made =
        UnpackedStorage::Make(FileStorage::Open(press.File(file), {}).value(), row.second, codec::OwnBound(row.second));
    ASSERT_TRUE(made.ok()) << made.error().Describe();
    Storage& unpacked = *made.value();
    ASSERT_EQ(unpacked.size(), kLargeDisk);
    const auto read = [&](std::uint64_t seed) {
      std::vector<std::byte> a(70001);
      std::vector<std::byte> b(a.size());
      for (int turn = 0; turn < 12; ++turn) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const std::uint64_t at = (seed >> 20) % (kLargeDisk - a.size());
        ASSERT_TRUE(plain->ReadAt(at, a).ok());
        const auto done = unpacked.ReadAt(at, b);
        ASSERT_TRUE(done.ok()) << done.error().Describe();
        ASSERT_EQ(a, b) << file << " at " << at;
      }
    };
    std::thread other(read, 1);
    read(2);
    other.join();
  }
}

struct Broken {
  std::string name;
  std::string make;  // shell words: "image" from disk.raw
  std::string error;
};
void PrintTo(const Broken& broken, std::ostream* out) { *out << broken.name; }

const std::vector<Broken> kBroken = {
    {"GzipCut", "gzip -1 -c disk.raw | head -c 100000 > image", "cut short"},
    {"GzipChecksum",
     "gzip -1 -c disk.raw > image; s=$(stat -c %s image); "
     "printf zzzz | dd of=image bs=1 seek=$((s-8)) conv=notrunc status=none",
     "checksum or a length"},
    {"GzipTrailing", "(gzip -1 -c disk.raw; echo rest) > image", "something else"},
    {"GzipLooksLikeAMember", "(gzip -1 -c disk.raw; printf '\\037\\213rest of something that is no member') > image",
     "something else"},
    {"GzipDamaged",
     "gzip -1 -c disk.raw > image; printf '\\377\\377\\377\\377\\377\\377' | dd of=image bs=1 seek=30 "
     "conv=notrunc status=none",
     "gzip"},
    {"Bzip2Cut", "bzip2 -1 -c disk.raw | head -c 100000 > image", "cut short"},
    {"Bzip2Trailing", "(head -c 1M disk.raw | bzip2 -1; echo rest) > image", "something else"},
    {"XzCut", "xz -0 -c disk.raw | head -c 100000 > image", "cut short"},
    {"XzTrailing", "(xz -0 -c disk.raw; echo rest) > image", "something else"},
    {"GzipBehindPadding", "(gzip -1 -c disk.raw; head -c 8 /dev/zero; gzip -1 -c disk.raw) > image", "something else"},
    {"XzBehindPadding", "(xz -0 -c disk.raw; head -c 8 /dev/zero; xz -0 -c disk.raw) > image", "something else"},
    {"XzPadding", "(xz -0 -c disk.raw; head -c 3 /dev/zero) > image", "cut short"},
    {"ZstdCut", "zstd -q -c disk.raw | head -c 100000 > image", "cut short"},
    {"ZstdChecksum",
     "zstd -q -c disk.raw > image; s=$(stat -c %s image); "
     "printf zzzz | dd of=image bs=1 seek=$((s-4)) conv=notrunc status=none",
     "checksum"},
    {"ZstdTrailing", "(zstd -q -c disk.raw; echo rest) > image", "something else"},
    {"Nested", "gzip -1 -c disk.raw | gzip > image", "a container again"},
};

class BrokenStream : public testing::TestWithParam<Broken> {};

TEST_P(BrokenStream, IsRefusedByName) {
  const Press press;
  press.Shell(GetParam().make);
  const CommandResult result = press.Try({kTool, "convert", "-O", "qcow2", "image", "out.qcow2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(Hostile, BrokenStream, testing::ValuesIn(kBroken),
                         [](const auto& row) { return row.param.name; });

struct BrokenFrame {
  std::string_view name;
  std::string_view bytes;  // RFC 8878, 3.1.1
  std::string_view field;
};
constexpr BrokenFrame kBrokenFrames[] = {
    // A header that promises 131328 bytes, an empty last block, and the checksum of nothing; or another one.
    {"Short", {"\x28\xB5\x2F\xFD\x64\xA0\xFF\x01\x00\x00\x99\xE9\xD8\x51", 14}, "data"},
    {"ShortWithAWrongChecksum", {"\x28\xB5\x2F\xFD\x64\xA0\xFF\x01\x00\x00\x05\x1D\x72\xBA", 14}, "checksum"},
    // 256 times the same byte, in a window of 2 GiB.
    {"WideWindow", {"\x28\xB5\x2F\xFD\x40\xA8\x00\x00\x03\x08\x00\x41", 12}, "window"},
};

class ZstdFrame : public testing::TestWithParam<BrokenFrame> {};

TEST_P(ZstdFrame, IsRefusedTheSameWayInPieces) {
  const auto frame = std::as_bytes(std::span(GetParam().bytes));
  for (std::size_t piece = 1; piece <= frame.size(); ++piece) {
    const auto decoder = codec::MakeDecoder(Compression::kZstd);
    std::vector<std::byte> out(1000);
    Result<codec::Step> step = codec::Step{};
    for (std::size_t at = 0; at < frame.size() && step.ok();) {
      step = decoder->Decode(frame.subspan(at, std::min(piece, frame.size() - at)), out);
      if (step.ok()) at += step.value().taken;
    }
    ASSERT_FALSE(step.ok()) << piece;
    EXPECT_EQ(step.error().field(), GetParam().field) << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(Hostile, ZstdFrame, testing::ValuesIn(kBrokenFrames),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Compressed, KernelsAndRamdisksStayWhatTheyAre) {
  const Press press;
  press.Shell("echo disk.raw | cpio -o -H newc 2>/dev/null | gzip > ramdisk");
  EXPECT_THAT(press.Run({kTool, "info", "ramdisk"}), HasSubstr("file format: raw"));
  press.Run({kTool, "convert", "ramdisk", "copy"});
  press.Run({"cmp", "-n", "1000000", "ramdisk", "copy"});
}

TEST(Compressed, IsARawFileWhereThatIsAskedFor) {
  const Press press;
  press.Run({"gzip", "-1", "disk.raw"});
  press.Run({kTool, "convert", "-f", "raw", "disk.raw.gz", "copy"});
  press.Shell("cmp -n $(stat -c %s disk.raw.gz) disk.raw.gz copy");
  press.Shell("ln -s " + kTool + " qemu-img");
  EXPECT_EQ(press.Run({"./qemu-img", "info", "disk.raw.gz"}), press.Run({"qemu-img", "info", "disk.raw.gz"}));
}

// A reader that goes back and forth in a stream without marks is stopped, and not left to work for hours.
TEST(UnpackedStorage, StopsAReaderWhoGoesBackTooOften) {
  const Press press(kLargeDisk);
  press.Shell("xz -0 -k disk.raw");
  const auto unpacked = UnpackedStorage::Make(FileStorage::Open(press.File("disk.raw.xz"), {}).value(),
                                              Compression::kXz, codec::OwnBound(Compression::kXz));
  ASSERT_TRUE(unpacked.ok());
  std::vector<std::byte> piece(1);
  Result<> done = Done{};
  int turns = 0;
  for (; done.ok() && turns < 1000; ++turns) {
    // Places that are further from each other than what is held.
    for (const std::uint64_t at : {kLargeDisk - 1, kLargeDisk / 2, std::uint64_t{0}, kLargeDisk / 4}) {
      done = unpacked.value()->ReadAt((at + static_cast<std::uint64_t>(turns) * 262144 * 7) % kLargeDisk, piece);
      if (!done.ok()) break;
    }
  }
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind(), ErrorKind::kUnsupported);
  EXPECT_LT(turns, 1000);
}

// What a decoder holds for a stream comes out of the budget while it lives, and a stream that asks for more than is
// left is an error that leaves the budget as it was.
struct Window {
  std::string name;
  Compression compression;
  std::string pack;      // shell words: 40 MB of zeros into "z"
  std::uint64_t window;  // bytes that the decoder holds at least
};
void PrintTo(const Window& window, std::ostream* out) { *out << window.name; }

const std::vector<Window> kWindows = {
    {"Bzip2", Compression::kBzip2, "bzip2 -9 > z", std::uint64_t{3} << 20},
    {"Xz", Compression::kXz, "xz --lzma2=preset=0,dict=32MiB > z", std::uint64_t{32} << 20},
    {"Zstd", Compression::kZstd, "zstd -q -1 --zstd=wlog=25 > z", std::uint64_t{32} << 20},
};

class DecoderMemory : public testing::TestWithParam<Window> {};

TEST_P(DecoderMemory, CountsAgainstTheBudget) {
  const Press press;
  press.Shell("head -c 40000000 /dev/zero | " + GetParam().pack);
  const std::vector<std::byte> input = FileBytes(press.File("z"));
  std::vector<std::byte> output(std::size_t{1} << 20);
  MemoryBudget enough(GetParam().window * 2);
  {
    const auto decoder = codec::MakeDecoder(GetParam().compression, &enough);
    ASSERT_TRUE(decoder->Decode(input, output).ok());
    EXPECT_GE(enough.used(), GetParam().window);
    const auto another = codec::MakeDecoder(GetParam().compression, &enough);
    EXPECT_THROW((void)another->Decode(input, output), std::bad_alloc);
  }
  EXPECT_EQ(enough.used(), 0U);
  MemoryBudget little(GetParam().window - 1);
  EXPECT_THROW(
      {
        const auto decoder = codec::MakeDecoder(GetParam().compression, &little);
        (void)decoder->Decode(input, output);
      },
      std::bad_alloc);
  EXPECT_EQ(little.used(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Codecs, DecoderMemory, testing::ValuesIn(kWindows),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace platter::test
