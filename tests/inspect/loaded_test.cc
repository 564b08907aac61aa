// Kernels and ramdisks, in the compression in which they are booted: accepted as what they are, at either depth and
// from a stream, which does not refuse them before it has seen what they are.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/inspect/inspections.h"

namespace platter::test {
namespace {

using inspect::Depth;
using inspect::Verdict;

struct Loaded {
  std::string name;
  std::string script;  // makes "image"; the shell functions below are there
};
void PrintTo(const Loaded& loaded, std::ostream* out) { *out << loaded.name; }

// noise KILOBYTES, many FILES: archives to standard output.
constexpr const char* kFunctions =
    "cpio_of() { cpio -o -H newc --quiet; };"
    "noise() { head -c ${1}k /dev/urandom > init; echo init | cpio_of; };"
    "many() { mkdir -p d; for i in $(seq $1); do echo $i > d/$i; done; find d | cpio_of; };";

const std::vector<Loaded> kLoaded = {
    {"Plain", "noise 2000 > image"},
    {"PlainOfManyFiles", "many 2000 > image"},
    {"StoredGzip", "noise 200 | gzip -1 > image"},
    {"Bzip2", "noise 2000 | bzip2 > image"},
    {"Xz", "noise 2000 | xz -0 > image"},
    {"Zstd", "noise 2000 | zstd -q > image"},
    {"Lz4", "(many 500; noise 3000) | lz4 -q -l > image"},
    {"GzipOfManyFiles", "many 2000 | gzip > image"},
    {"ZstdOfManyFiles", "many 2000 | zstd -q > image"},
    {"GzipAndAnotherArchive", "(many 400 | gzip; noise 100) > image"},
    {"SmallGzipAndAnotherArchive", "(noise 1 | gzip; noise 500) > image"},
    {"ZstdAndGzip", "(noise 300 | zstd -q; noise 100 | gzip) > image"},
    {"MicrocodeAndZstd", "(noise 30; noise 900 | zstd -q) > image"},
};

class LoadedContent : public testing::TestWithParam<Loaded> {};

TEST_P(LoadedContent, IsTakenAsItIs) {
  const Bytes image = MadeBy({{"sh", "-c", kFunctions + GetParam().script}});
  for (const char* disk : {"", "ari", "raw"}) {
    inspect::Options options;
    options.policy.expected_disk = disk;
    const inspect::Report report = InspectBytes(image, options, Depth::kStreaming);
    EXPECT_EQ(report.verdict, Verdict::kAccepted) << disk << "\n" << Text(report);
    EXPECT_EQ(report.content, "ari");
    EXPECT_EQ(Text(InspectBytes(image, options, Depth::kFull)), Text(report)) << disk;
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{1} << 16, std::size_t{1} << 24}) {
      EXPECT_EQ(Text(InspectStream(image, options, piece)), Text(report)) << disk << " in pieces of " << piece;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ramdisks, LoadedContent, testing::ValuesIn(kLoaded),
                         [](const auto& row) { return row.param.name; });

// A fixed VHD's guest may hold anything at its start: its end tells that it is no raw disk.
TEST(LateFooter, TakesNothingBack) {
  const Bytes footer = Created({"-f", "vpc", "-o", "subformat=fixed,force_size=on"}, "1M");
  const Bytes mbr = With(Bytes(512), 446, std::string_view("\0\0\2\0\xEE\xFF\xFF\xFF\1\0\0\0\xFF\7\0\0", 16));
  for (const Bytes& guest : {With(Bytes(1 << 20), 4096, std::string_view("QFI\xFB\0\0\0\3", 8)),
                             With(With(Bytes(1 << 20), 0, mbr), 510, std::string_view("\x55\xAA", 2))}) {
    const Bytes vhd = With(guest, guest.size(), Bytes(footer.end() - 512, footer.end()));
    for (const std::size_t piece : {std::size_t{1} << 16, std::size_t{1} << 24}) {
      const inspect::Report report = InspectStream(vhd, {}, piece);
      EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
    }
    EXPECT_EQ(InspectStream(guest, {}, 1 << 16).verdict, Verdict::kRefused);
  }
}

}  // namespace
}  // namespace platter::test
