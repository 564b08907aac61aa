// Images as tools write them: every variant that a file can hold alone is accepted, from a stream as from a file, with
// the size of its disk.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/inspect/inspections.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

struct Sound {
  std::string name;
  std::vector<std::string> words;  // of `platter convert` from a disk of 3 MiB
  std::string format;
  std::string variant;
};

void PrintTo(const Sound& sound, std::ostream* out) { *out << sound.name; }

const std::vector<Sound> kSound = {
    {"Raw", {"-O", "raw"}, "raw", ""},
    {"Qcow2", {"-O", "qcow2"}, "qcow2", "version 3"},
    {"Qcow2Version2", {"-O", "qcow2", "-o", "compat=0.10"}, "qcow2", "version 2"},
    {"Qcow2Compressed", {"-c", "-O", "qcow2"}, "qcow2", "version 3"},
    {"Qcow2SmallClusters", {"-O", "qcow2", "-o", "cluster_size=512"}, "qcow2", "version 3"},
    {"Qcow2Clusters256k", {"-O", "qcow2", "-o", "cluster_size=256k"}, "qcow2", "version 3"},
    {"Qcow2Clusters512k", {"-O", "qcow2", "-o", "cluster_size=512k"}, "qcow2", "version 3"},
    {"Qcow2Clusters2M", {"-O", "qcow2", "-o", "cluster_size=2M"}, "qcow2", "version 3"},
    {"Qcow2Clusters2MVersion2", {"-O", "qcow2", "-o", "cluster_size=2M,compat=0.10"}, "qcow2", "version 2"},
    {"Qcow2ExtendedL2", {"-O", "qcow2", "-o", "extended_l2=on"}, "qcow2", "version 3"},
    {"Qcow2Preallocated", {"-O", "qcow2", "-o", "preallocation=metadata"}, "qcow2", "version 3"},
    {"VhdDynamic", {"-O", "vpc", "-o", "force_size=on"}, "vhd", "dynamic"},
    {"VhdFixed", {"-O", "vpc", "-o", "subformat=fixed,force_size=on"}, "vhd", "fixed"},
    {"VhdxDynamic", {"-O", "vhdx"}, "vhdx", "dynamic"},
    {"VhdxFixed", {"-O", "vhdx", "-o", "subformat=fixed"}, "vhdx", "fixed"},
    {"VmdkSparse", {"-O", "vmdk"}, "vmdk", "monolithicSparse"},
    {"VmdkStream", {"-O", "vmdk", "-o", "subformat=streamOptimized"}, "vmdk", "streamOptimized"},
    {"VdiDynamic", {"-O", "vdi"}, "vdi", "dynamic"},
    {"VdiStatic", {"-O", "vdi", "-o", "static=on"}, "vdi", "static"},
    {"Ploop", {"-O", "parallels"}, "ploop", "version 2"},
};

class Accepted : public testing::TestWithParam<Sound> {};

void ExpectAccepted(const Bytes& image, const Sound& sound) {
  for (const inspect::Depth depth : {inspect::Depth::kStreaming, inspect::Depth::kFull}) {
    const inspect::Report report = InspectBytes(image, {}, depth);
    EXPECT_EQ(report.verdict, inspect::Verdict::kAccepted) << Text(report);
    EXPECT_EQ(report.format, sound.format);
    EXPECT_EQ(report.variant, sound.variant);
    EXPECT_EQ(report.virtual_size, 3U << 20);
    EXPECT_TRUE(report.findings.empty()) << Text(report);
  }
  const std::string whole = Text(InspectBytes(image, {}, inspect::Depth::kStreaming));
  for (const std::size_t piece : {std::size_t{17}, std::size_t{4096}, std::size_t{1} << 20, std::size_t{1} << 24}) {
    EXPECT_EQ(Text(InspectStream(image, {}, piece)), whole) << "in pieces of " << piece;
  }
}

TEST_P(Accepted, WrittenByPlatter) { ExpectAccepted(ConvertedBy(Tool(), GetParam().words), GetParam()); }

TEST_P(Accepted, WrittenByQemu) { ExpectAccepted(ConvertedBy("qemu-img", GetParam().words), GetParam()); }

struct Large {
  const char* name;  // of qemu-img's format
  const char* size;
};

// Their tables are too large to be held; what names them is not.
TEST(Accepted, LargeDisksFromAStream) {
  for (const auto& [name, size] : {Large{"qcow2", "10T"}, Large{"vpc", "2000G"}, Large{"vhdx", "60T"},
                                   Large{"vdi", "2T"}, Large{"parallels", "1T"}}) {
    const Bytes image = Created({"-f", name}, size);
    const inspect::Report report = InspectStream(image, {}, 1 << 20);
    EXPECT_EQ(report.verdict, inspect::Verdict::kAccepted) << name << "\n" << Text(report);
    EXPECT_EQ(InspectBytes(image, {}, inspect::Depth::kFull).verdict, inspect::Verdict::kAccepted) << name;
  }
}

void ExpectVerdict(const Bytes& image, const inspect::Options& options, inspect::Verdict verdict) {
  for (const inspect::Depth depth : {inspect::Depth::kStreaming, inspect::Depth::kFull}) {
    const inspect::Report report = InspectBytes(image, options, depth);
    EXPECT_EQ(report.verdict, verdict) << Text(report);
  }
  const inspect::Report report = InspectStream(image, options, 65536);
  EXPECT_EQ(report.verdict, verdict) << Text(report);
}

// The second copy of its table, in front of what names it, has passed by when the end comes.
TEST(Accepted, GptDisksThatHaveGrown) {
  Bytes disk = GptDisk();
  disk.resize(std::size_t{20} << 20);
  ExpectVerdict(disk, {}, inspect::Verdict::kAccepted);
}

// VirtualBox rounds the header's capacity up to a grain.
TEST(Accepted, VmdksWhoseCapacityIsRoundedUp) {
  const Bytes image = Replaced(Converted({"-O", "vmdk"}), "RW 6144 ", "RW 6140 ");
  ExpectVerdict(image, {}, inspect::Verdict::kAccepted);
  EXPECT_NE(FindCode(InspectBytes(image, {}, inspect::Depth::kStreaming), "vmdk.capacity"), nullptr);
}

// Where a policy says so: a fixed VHD is known by its end, and what came before it was no reason to refuse.
TEST(Accepted, FixedVhdsThatAreAnIsoAsWell) {
  inspect::Options options;
  ASSERT_TRUE(inspect::ReadPolicy("expect_disk = vhd\nallow_ambiguous = yes\n", options.policy).ok());
  const Bytes image = MadeBy({{"qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on",
                               "/usr/lib/grub-rescue/grub-rescue-cdrom.iso", "image"}});
  ExpectVerdict(image, options, inspect::Verdict::kAccepted);
}

// What would take a multiple of its own size in memory.
TEST(Undecided, HeadersThatAreTooLongToBeHeld) {
  std::string text = "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n";
  for (int line = 0; line < 30000; ++line) text += "RW 1 ZERO\n";
  EXPECT_EQ(InspectStream(ToBytes(text), {}, 65536).verdict, inspect::Verdict::kUndecided);
  EXPECT_EQ(InspectBytes(ToBytes(text), {}, inspect::Depth::kFull).verdict, inspect::Verdict::kRefused);
  Bytes extensions(2000 * 8);
  for (std::size_t at = 0; at < extensions.size(); at += 8) extensions = WithBe32(std::move(extensions), at, 1);
  ExpectVerdict(With(Created({"-f", "qcow2"}, "1M"), 112, extensions), {}, inspect::Verdict::kUndecided);
}

// A table of 200 partitions, each of which ends past the disk's end.
TEST(Accepted, TablesOfWhichNotEveryEntryIsNamed) {
  const Bytes disk = MadeBy({{"truncate", "-s", "4M", "image"},
                             {"sh", "-c",
                              "{ printf 'label: gpt\ntable-length: 200\ngrain: 512\n'; for at in $(seq 200); do "
                              "echo \"start=$((2048 + at * 8)), size=8\"; done; } | sfdisk -q image"},
                             {"truncate", "-s", "1M", "image"}});
  const inspect::Report report = InspectBytes(disk, {}, inspect::Depth::kFull);
  EXPECT_EQ(report.verdict, inspect::Verdict::kAccepted) << Text(report);
  ASSERT_EQ(std::ranges::count(report.findings, "partition.table", &Finding::code), 65) << Text(report);
  EXPECT_EQ(report.findings.back().severity, Severity::kWarning);
  EXPECT_EQ(report.findings.back().value, "137");  // one is the missing second copy
}

// Geometries that hold less than the disk, as their creators make them: by the specification's rule, and where no
// geometry is large enough.
TEST(Accepted, VhdsWhoseGeometryIsRounded) {
  const std::uint64_t gib = std::uint64_t{1} << 30;
  for (const FooterFields& footer :
       {FooterFields{.creator = "vpc ", .size = 40 * gib, .cylinders = 20560, .heads = 16, .sectors = 255},
        FooterFields{.creator = "vbox", .size = 8 * gib, .cylinders = 16644, .heads = 16, .sectors = 63},
        FooterFields{.creator = "vbox", .size = 200 * gib, .cylinders = 65535, .heads = 16, .sectors = 255},
        FooterFields{.creator = "abcd", .size = gib},
        FooterFields{.creator = "win ", .size = 100 * gib, .cylinders = 16383, .heads = 16, .sectors = 63}}) {
    const inspect::Report report = InspectBytes(MakeSparse({footer}), {}, inspect::Depth::kFull);
    EXPECT_EQ(report.verdict, inspect::Verdict::kAccepted) << footer.creator << footer.size << "\n" << Text(report);
  }
}

// As the specification's text has it, in half the digits, and without a bit that means nothing.
TEST(Accepted, FixedVhdsOfOtherWriters) {
  Bytes image = MakeFixed({.size = kMiB}, std::byte{1});
  PutBe(image, kMiB + 8, 0, 4);
  PutBe(image, kMiB + 16, 0xFFFFFFFF, 8);
  FixFooter(image, kMiB);
  ExpectVerdict(image, {}, inspect::Verdict::kAccepted);
}

const auto kName = [](const auto& row) { return row.param.name; };
INSTANTIATE_TEST_SUITE_P(Variants, Accepted, testing::ValuesIn(kSound), kName);

}  // namespace
}  // namespace platter::test
