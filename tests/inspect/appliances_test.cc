// OVAs as they should be, from a file at both depths and from a stream in any pieces; and what takes all of one to
// find.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/containers/docker_bytes.h"
#include "tests/containers/ovf_texts.h"
#include "tests/containers/tar_bytes.h"
#include "tests/inspect/appliances.h"
#include "tests/inspect/inspections.h"
#include "tests/inspect/security_table.h"

namespace platter::test {
namespace {

using inspect::Verdict;

constexpr const char* kCapacity = "3145728";

inspect::Options DeclaredOva() {
  inspect::Options options;
  options.policy.expected_container = "ova";
  return options;
}

struct Sound {
  std::string name;
  std::vector<std::string> words;  // of qemu-img convert from a disk of 3 MiB, half of it data
  std::string uri;
  std::string format;
  // Whether a second one can be judged from a stream: its tables lie in the order in which they name each other.
  bool second_streams = true;
};
void PrintTo(const Sound& sound, std::ostream* out) { *out << sound.name; }

const std::vector<Sound> kSound = {
    {"StreamOptimized", {"-O", "vmdk", "-o", "subformat=streamOptimized"}, "vmdk.html#streamOptimized", "vmdk"},
    {"Sparse", {"-O", "vmdk"}, "vmdk.html#sparse", "vmdk"},
    {"Qcow2", {"-O", "qcow2"}, "qcow", "qcow2"},
    {"Raw", {"-O", "raw"}, "", "raw"},
    {"VhdFixed", {"-O", "vpc", "-o", "subformat=fixed,force_size=on"}, "vhd", "vhd"},
    {"VhdDynamic", {"-O", "vpc", "-o", "force_size=on"}, "vhd", "vhd"},
    {"Vhdx", {"-O", "vhdx"}, "vhdx", "vhdx", false},
    {"Vdi", {"-O", "vdi"}, "vdi", "vdi"},
};

class SoundOva : public testing::TestWithParam<Sound> {};

TEST_P(SoundOva, IsAccepted) {
  const Bytes disk = Converted(GetParam().words);
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}}) {
    const Bytes ova = OvaOfDisks(std::vector<Bytes>(count, disk), kCapacity, GetParam().uri);
    const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kStreaming);
    EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
    EXPECT_EQ(report.container, "ova");
    EXPECT_EQ(report.format, GetParam().format);
    EXPECT_EQ(report.virtual_size, count * (3U << 20));
    ASSERT_EQ(report.disks.size(), count);
    EXPECT_EQ(report.disks.back().format, GetParam().format);
    EXPECT_EQ(FindCode(report, "ovf.several_disks") != nullptr, count == 2);
    EXPECT_EQ(InspectBytes(ova, DeclaredOva(), inspect::Depth::kFull).verdict, Verdict::kAccepted);
    for (const std::size_t piece : {std::size_t{4099}, std::size_t{1} << 20, std::size_t{1} << 24}) {
      const inspect::Report stream = InspectStream(ova, DeclaredOva(), piece);
      if (count == 1 || GetParam().second_streams) {
        EXPECT_EQ(Text(stream), Text(report)) << "in pieces of " << piece;
      } else {
        EXPECT_EQ(stream.verdict, Verdict::kUndecided) << Text(stream);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Disks, SoundOva, testing::ValuesIn(kSound), [](const auto& row) { return row.param.name; });

TEST(SoundOva, AsToolsPackIt) {
  for (const char* pack :
       {"tar --format=ustar -cf image box.ovf box.mf box-disk1", "tar --format=pax -cf image box.ovf box.mf box-disk1",
        "bsdtar --no-read-sparse -cf image box.ovf box-disk1 box.mf"}) {
    const std::string text = OneDiskOvf("box-disk1", "1048576", "", "vmdk");
    const Bytes ova = MadeBy(
        {{"qemu-img", "convert", "-O", "vmdk", "base.raw", "box-disk1"},
         {"sh", "-c", "printf %s '" + text + "' > box.ovf"},
         {"sh", "-c", "for f in box.ovf box-disk1; do echo \"SHA1($f)= $(sha1sum $f | cut -c1-40)\"; done > box.mf"},
         {"sh", "-c", pack}});
    const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kFull);
    EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
    EXPECT_TRUE(report.findings.empty()) << Text(report);
    EXPECT_EQ(InspectStream(ova, DeclaredOva(), 1 << 20).verdict, Verdict::kAccepted);
  }
}

// The image of a CD, and the variables of a firmware, are files that no disk refers to.
TEST(SoundOva, MayHaveFilesBesideItsDisks) {
  for (const Bytes& file : {RealIso(), Bytes(540672, std::byte{0xFF}), ToBytes("some text")}) {
    const Bytes ova = OvaWithFile(file);
    const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kStreaming);
    EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
    EXPECT_TRUE(report.findings.empty()) << Text(report);
    EXPECT_EQ(report.virtual_size, 512U);
    EXPECT_EQ(InspectBytes(ova, DeclaredOva(), inspect::Depth::kFull).verdict, Verdict::kAccepted);
    for (const std::size_t piece : {std::size_t{4099}, std::size_t{1} << 20, std::size_t{1} << 24}) {
      EXPECT_EQ(Text(InspectStream(ova, DeclaredOva(), piece)), Text(report)) << "in pieces of " << piece;
    }
  }
}

// A name that is encoded is that of one file.
TEST(SoundOva, MayEncodeItsNames) {
  const Bytes ova = ToBytes(
      TarArchive({TarMember({.name = "box.ovf",
                             .content = OneDiskOvf("a%20disk", "1024", "", "http://en.wikipedia.org/wiki/Byte")}),
                  TarMember({.name = "a disk", .content = std::string(512, 'x')})}));
  const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kStreaming);
  EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
  EXPECT_EQ(FindCode(report, "ovf.href"), nullptr) << Text(report);
  // As large as the descriptor says, to those who make it so.
  EXPECT_EQ(report.virtual_size, 1024U);
  EXPECT_NE(FindCode(report, "ovf.capacity"), nullptr) << Text(report);
}

// Names that pax headers announce because a header cannot hold them, names beside each other, and padding to the end.
TEST(SoundOva, MayHaveLongNamesAndPadding) {
  const std::string name = std::string(120, 'n');
  const std::string accent = "caf\xC3\xA9";
  for (const auto& [file, in_header] : {std::pair(name, name.substr(0, 100)), std::pair(accent, std::string("caf"))}) {
    const std::string members =
        TarMember({.name = "box.ovf", .content = OneDiskOvf(file, "512", "", "http://en.wikipedia.org/wiki/Byte")}) +
        TarPax({"path=" + file}) + TarMember({.name = in_header, .content = std::string(512, 'x')}) +
        TarPax({"path=./readme", "mtime=1.5"}) + TarMember({.name = "readme"}) + TarMember({.name = "README.txt"});
    for (const std::size_t padding : {std::size_t{8192}, std::size_t{1} << 20}) {
      const Bytes ova = ToBytes(TarArchive({members}) + std::string(padding, '\0'));
      const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kStreaming);
      EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
      EXPECT_EQ(InspectBytes(ova, DeclaredOva(), inspect::Depth::kFull).verdict, Verdict::kAccepted);
      EXPECT_EQ(FindCode(report, "tar.padding") != nullptr, padding > 16384) << Text(report);
      for (const std::size_t piece : {std::size_t{511}, std::size_t{65536}, std::size_t{1} << 24}) {
        EXPECT_EQ(Text(InspectStream(ova, DeclaredOva(), piece)), Text(report)) << "in pieces of " << piece;
      }
    }
  }
}

// Legal, or nearly so: accepted, and named.
TEST(SoundOva, NamesWhatIsUnusual) {
  const std::string disk = TarMember({.name = "disk", .content = std::string(512, 'x')});
  const std::string descriptor =
      TarMember({.name = "box.ovf", .content = OneDiskOvf("disk", "512", "", "http://en.wikipedia.org/wiki/Byte")});
  const std::string digest = "SHA256(disk)= " + std::string(64, 'a') + "\n";
  const std::map<std::string, std::string> rows = {
      {"ova.order", disk + descriptor},
      {"ova.unreferenced", descriptor + disk + TarMember({.name = "readme"})},
      {"ova.manifest_name", descriptor + TarMember({.name = "other.mf", .content = digest}) + disk},
      {"ovf.unlisted", descriptor + TarMember({.name = "box.mf", .content = digest}) + disk}};
  for (const auto& [code, members] : rows) {
    const inspect::Report report =
        InspectBytes(ToBytes(TarArchive({members})), DeclaredOva(), inspect::Depth::kStreaming);
    EXPECT_EQ(report.verdict, Verdict::kAccepted) << code << "\n" << Text(report);
    EXPECT_NE(FindCode(report, code), nullptr) << code << "\n" << Text(report);
  }
}

// Legal, perhaps, and for nobody's parser.
TEST(DescriptorsBeyondLimits, AreNeverAccepted) {
  std::string deep;
  for (int depth = 0; depth < 5000; ++depth) deep = "<a>" + std::move(deep) + "</a>";
  std::string many;
  for (int count = 0; count < 50000; ++count) many += "<a/>";
  for (const std::string& more : {deep, many}) {
    const std::string text = VmwareOvf({"", "", more});
    const Bytes ova = ToBytes(TarArchive({TarMember({.name = "box.ovf", .content = text})}));
    const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kFull);
    EXPECT_EQ(report.verdict, Verdict::kUndecided) << Text(report);
    EXPECT_NE(FindCode(report, "ovf.descriptor"), nullptr) << Text(report);
    EXPECT_EQ(InspectStream(ova, DeclaredOva(), 1 << 20).verdict, Verdict::kUndecided);
  }
}

TEST(Manifest, IsComparedWithTheDisksAtFullDepth) {
  const Bytes disk = Created({"-f", "qcow2"}, "1M");
  const std::string manifest = "SHA256(box-disk1)= " + std::string(64, 'a') + "\n";
  const Bytes ova = OvaOf(disk, "1048576", "qcow", TarMember({.name = "box.mf", .content = manifest}));
  const inspect::Report report = InspectBytes(ova, DeclaredOva(), inspect::Depth::kStreaming);
  EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
  EXPECT_NE(FindCode(report, "ovf.digest_unchecked"), nullptr);
  const inspect::Report full = InspectBytes(ova, DeclaredOva(), inspect::Depth::kFull);
  EXPECT_EQ(full.verdict, Verdict::kRefused);
  EXPECT_NE(FindCode(full, "ovf.digest"), nullptr) << Text(full);
}

// DSP0243 1.1, section 5.1: an entry for each chunk, and one for the whole if somebody likes. `sums`: of which files.
Bytes DividedOva(const std::string& sums, const std::string& spoil) {
  std::string text = OneDiskOvf("disk", "3145728", "", "vmdk");
  text.insert(text.find("<File ") + 6, "ovf:chunkSize=\"500000\" ");
  return MadeBy({{"sh", "-c", "head -c 3145728 /dev/urandom > full.raw"},
                 {"qemu-img", "convert", "-O", "vmdk", "full.raw", "disk"},
                 {"sh", "-c",
                  "split -d -a 9 -b 500000 disk disk. && printf %s '" + text + "' > box.ovf && for f in " + sums +
                      "; do echo \"SHA256($f)= $(sha256sum $f | cut -c1-64)\"; done > box.mf && " + spoil +
                      " && tar -cf image box.ovf box.mf disk.*"}});
}

TEST(Manifest, HasAnEntryForEachChunk) {
  const auto judge = [](const std::string& sums, const std::string& spoil) {
    return InspectBytes(DividedOva(sums, spoil), DeclaredOva(), inspect::Depth::kFull);
  };
  for (const char* sums : {"box.ovf disk.*", "box.ovf disk", "box.ovf disk disk.*"}) {
    const inspect::Report sound = judge(sums, ":");
    EXPECT_EQ(sound.verdict, Verdict::kAccepted) << Text(sound);
    EXPECT_EQ(sound.format, "vmdk");
    EXPECT_TRUE(sound.findings.empty()) << Text(sound);
    const inspect::Report spoiled = judge(sums, "printf x | dd of=disk.000000001 bs=1 seek=400000 conv=notrunc");
    EXPECT_EQ(spoiled.verdict, Verdict::kRefused);
    EXPECT_NE(FindCode(spoiled, "ovf.digest"), nullptr) << Text(spoiled);
  }
  const inspect::Report part = judge("disk.000000000", ":");
  EXPECT_EQ(part.verdict, Verdict::kAccepted) << Text(part);
  const Finding* unlisted = FindCode(part, "ovf.unlisted");
  ASSERT_NE(unlisted, nullptr) << Text(part);
  EXPECT_EQ(unlisted->value, "box.ovf");
}

// More disks than there is room for: nothing is accepted that was not seen.
TEST(SoundOva, WithManyDisksIsUndecidedFromAStream) {
  const Bytes ova = OvaOfDisks(std::vector<Bytes>(20, Converted({"-O", "vmdk"})), kCapacity, "vmdk");
  EXPECT_EQ(InspectBytes(ova, DeclaredOva(), inspect::Depth::kStreaming).verdict, Verdict::kAccepted);
  const inspect::Report report = InspectStream(ova, DeclaredOva(), 1 << 20);
  EXPECT_EQ(report.verdict, Verdict::kUndecided) << Text(report);
  EXPECT_NE(FindCode(report, "ova.unseen"), nullptr) << Text(report);
}

Bytes PackedBy(const std::string& words) { return MadeBy({{"sh", "-c", words}}); }

const std::map<std::string, std::function<Bytes()>>& Contents() {
  static const std::map<std::string, std::function<Bytes()>> kContents = {
      {"qcow2",
       [] {
         return Converted({"-O", "qcow2"});
       }},
      {"OVA with a VMDK",
       [] {
         return OvaOf(Converted({"-O", "vmdk"}), kCapacity, "vmdk");
       }},
      {"OVA with two disks",
       [] {
         const Bytes disk = Converted({"-O", "vmdk"});
         return OvaOfDisks({disk, disk}, kCapacity, "vmdk");
       }},
      {"OVA with a compressed disk",
       [] {
         std::string text = OneDiskOvf("disk.gz", "512", "", "vmdk");
         text.insert(text.find("<File ") + 6, "ovf:compression=\"gzip\" ");
         return ToBytes(TarArchive({TarMember({.name = "box.ovf", .content = text}),
                                    TarMember({.name = "disk.gz", .content = "\x1f\x8b\x08"})}));
       }},
      {"qcow2 in gzip", [] { return PackedBy("qemu-img convert -O qcow2 base.raw a && gzip -c a > image"); }},
      {"VMDK in xz", [] { return PackedBy("qemu-img convert -O vmdk base.raw a && xz -0 -c a > image"); }},
      {"disk in zstd", [] { return PackedBy("head -c 3000000 /dev/urandom | zstd -q > image"); }},
      {"disk in bzip2", [] { return PackedBy("head -c 500000 /dev/urandom | bzip2 > image"); }},
      {"tar in gzip", [] { return PackedBy("tar -czf image base.raw"); }},
      {"zip", [] { return PackedBy("7zz a -tzip image.zip base.raw > /dev/null && mv image.zip image"); }},
      {"docker archive", [] { return ToBytes(TarOf(ImageText().Saved())); }},
      {"image layout in a tar", [] { return ToBytes(TarOf(ImageText().Layout())); }},
      {"OVF", [] { return ToBytes(OneDiskOvf("disk", "512")); }},
      {"tar",
       [] {
         return MadeBy({{"tar", "cf", "image", "base.raw"}});
       }},
      {"gzip",
       [] {
         return MadeBy({{"sh", "-c", "head -c 100000 /dev/urandom | gzip > image"}});
       }},
  };
  return kContents;
}

TEST(DeclaredAndFoundInContainers, GivesTheVerdictOfThePage) {
  const auto table = SecurityTable("Containers declared and found");
  ASSERT_EQ(table.size(), Contents().size() + 1);
  for (std::size_t row = 1; row < table.size(); ++row) {
    ASSERT_TRUE(Contents().contains(table[row].front())) << table[row].front();
    const Bytes content = Contents().at(table[row].front())();
    for (std::size_t column = 1; column < table.front().size(); ++column) {
      inspect::Options options;
      if (column > 1) options.policy.expected_container = table.front()[column];
      const inspect::Report report = InspectStream(content, options, 1 << 20);
      const std::string& said = table[row][column];
      const std::string expected = said == "yes" ? "accepted" : said == "?" ? "undecided" : "refused";
      EXPECT_EQ(inspect::VerdictName(report.verdict), expected)
          << table[row].front() << " declared as " << table.front()[column] << "\n"
          << Text(report);
    }
  }
}

}  // namespace
}  // namespace platter::test
