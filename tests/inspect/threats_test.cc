// Every threat of docs/security.md: the sample, the finding that names it, and that the file is refused, from a stream
// in any pieces and from a file at either depth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "formats/core/bytes.h"
#include "tests/inspect/appliances.h"
#include "tests/inspect/docker_images.h"
#include "tests/inspect/inspections.h"
#include "tests/inspect/security_table.h"
#include "tests/vhd/vhd_file.h"
#include "tests/vhdx/vhdx_bytes.h"

namespace platter::test {
namespace {

using inspect::Depth;
using inspect::Verdict;

struct Threat {
  std::string name;
  std::function<Bytes()> make;
  std::string code;
  std::string cve = "";
  std::string policy = "";  // beyond the default one
};

void PrintTo(const Threat& threat, std::ostream* out) { *out << threat.name; }

Bytes Qcow2() { return Created({"-f", "qcow2"}, "64M"); }
Bytes Vmdk() { return Converted({"-O", "vmdk"}); }
Bytes Stream() {
  return MadeBy({{Tool(), "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "base.raw", "image"}});
}
Bytes Layer(const std::string& format, const std::string& base_format) {
  return MadeBy({{Tool(), "convert", "-O", base_format, "base.raw", "parent"},
                 {Tool(), "create", "-q", "-f", format, "-b", "parent", "-F", base_format, "image"}});
}

// The MBR of a disk with a GUID partition table, and nothing behind it.
Bytes LoneProtectiveMbr() { return With(First(GptDisk(), 512), (1 << 20) - 1, std::string_view("\0", 1)); }

// What a raw sector of a CD starts with, mode 1.
constexpr std::string_view kCdSync("\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0\1", 16);

// Volumes in front of which the marks of a CD's raw sectors stand: in places that no program reads.
Bytes WithCdSyncs(Bytes iso) { return With(With(std::move(iso), 0, kCdSync), 16 * 2352, kCdSync); }

Bytes InRawSectors(const Bytes& data) {
  Bytes raw(data.size() / 2048 * 2352);
  for (std::size_t sector = 0; sector < data.size() / 2048; ++sector) {
    const auto content = std::span(data).subspan(sector * 2048, 2048);
    raw = With(With(std::move(raw), sector * 2352, kCdSync), sector * 2352 + 16, Bytes(content.begin(), content.end()));
  }
  return raw;
}

// What of a kernel's setup header lies behind the file's first sector, and the end of that.
Bytes WithKernelsMarks(Bytes bytes) {
  bytes = With(std::move(bytes), 510, std::string_view("\x55\xAA", 2));
  return With(std::move(bytes), 514, std::string_view("HdrS\x0F\2", 6));
}

Bytes UdfBridge() { return MadeBy({{"genisoimage", "-quiet", "-udf", "-o", "image", "base.raw"}}); }

Bytes FixedVhdOf(const Bytes& disk) {
  const Bytes footer = Created({"-f", "vpc", "-o", "subformat=fixed,force_size=on"}, std::to_string(disk.size()));
  return With(disk, disk.size(), Bytes(footer.end() - 512, footer.end()));
}

constexpr std::uint64_t kQcow2L1At = 0x30000;
constexpr std::uint64_t kStreamFooterCapacity = 1024 - 12;  // bytes before the end

std::vector<Threat> Qcow2Threats() {
  return {
      {"BackingFile",
       [] {
         return Created({"-f", "qcow2", "-b", "base.raw", "-F", "raw"});
       },
       "qcow2.backing_file", "CVE-2015-5163"},
      {"DataFile",
       [] {
         return Created({"-f", "qcow2", "-o", "data_file=data.raw"}, "1M");
       },
       "qcow2.data_file", "CVE-2024-32498"},
      {"DataFileNameWithoutTheBit",
       [] {
         return WithBe64(Created({"-f", "qcow2", "-o", "data_file=data.raw"}, "1M"), 72, 0);
       },
       "qcow2.data_file", "CVE-2024-32498"},
      {"UnknownFeature", [] { return WithBe64(Qcow2(), 72, std::uint64_t{1} << 63); }, "qcow2.unknown_features"},
      {"Encryption", [] { return WithBe32(Qcow2(), 32, 1); }, "qcow2.encrypted"},
      {"L1TableTooLarge", [] { return WithBe32(Qcow2(), 36, 0x7FFFFFFF); }, "qcow2.l1_table", "CVE-2014-0143"},
      {"L1TableOutside", [] { return WithBe64(Qcow2(), 40, std::uint64_t{1} << 40); }, "qcow2.l1_table",
       "CVE-2014-0144"},
      {"L1EntryMisaligned", [] { return WithBe64(Qcow2(), kQcow2L1At, 0x200); }, "qcow2.l1_table"},
      {"RefcountTableTooLarge", [] { return WithBe32(Qcow2(), 56, 0x7FFFFFFF); }, "qcow2.refcount_table",
       "CVE-2014-0144"},
      {"RefcountTableOutside", [] { return WithBe64(Qcow2(), 48, std::uint64_t{1} << 40); }, "qcow2.refcount_table",
       "CVE-2014-0144"},
      {"SnapshotsTooMany", [] { return WithBe32(Qcow2(), 60, 0x7FFFFFFF); }, "qcow2.snapshot_table", "CVE-2014-0144"},
      {"SnapshotsOutside", [] { return WithBe64(WithBe32(Qcow2(), 60, 1), 64, std::uint64_t{1} << 40); },
       "qcow2.snapshot_table", "CVE-2014-0145"},
      {"SnapshotsOverlapL1",
       [] { return With(WithBe64(WithBe32(Qcow2(), 60, 1), 64, kQcow2L1At), 0x3FFFF, std::string_view("\0", 1)); },
       "qcow2.overlap"},
      {"L1OverlapsRefcounts", [] { return WithBe64(Qcow2(), 40, 0x10000); }, "qcow2.overlap", "CVE-2014-0144"},
      {"CorruptBit", [] { return WithBe64(Qcow2(), 72, 2); }, "qcow2.corrupt_bit"},
      {"Truncated",
       [] {
         return First(Converted({"-O", "qcow2"}), 0x40000);
       },
       "qcow2.truncated"},
      {"SparseBomb",
       [] {
         return Created({"-f", "qcow2"}, "1T");
       },
       "policy.ratio", "", "max_ratio=1000"},
      {"TooLarge",
       [] {
         return Created({"-f", "qcow2"}, "1T");
       },
       "policy.virtual_size", "", "max_virtual_size=100G"},
      {"OldBackingFile",
       [] {
         return Created({"-f", "qcow", "-b", "base.raw", "-F", "raw"});
       },
       "qcow.backing_file", "", "allow_formats=qcow"},
      {"OldFormat",
       [] {
         return Created({"-f", "qcow"}, "1M");
       },
       "policy.format_not_allowed"},
      {"QedBackingFile",
       [] {
         return Created({"-f", "qed", "-b", "base.raw", "-F", "raw"});
       },
       "qed.backing_file", "", "allow_formats=qed"},
  };
}

// The descriptor of an embedded one: 20 sectors behind the header, as every writer lays it out.
constexpr std::uint64_t kTextAt = 512;
constexpr std::uint64_t kTextRoom = std::uint64_t{20} * 512;
constexpr std::uint64_t kDescriptorOffsetAt = 28;  // in the header, in sectors; its size follows

Bytes TextOf(const Bytes& vmdk) {
  return {vmdk.begin() + kTextAt, vmdk.begin() + static_cast<std::ptrdiff_t>(kTextAt + kTextRoom)};
}

// With `line` in front of the embedded descriptor.
Bytes WithLine(const Bytes& vmdk, const std::string& line) {
  const Bytes text = TextOf(vmdk);
  return With(With(vmdk, kTextAt, line), kTextAt + line.size(), First(text, text.size() - line.size()));
}

// With a descriptor at the file's end, which the header names. Of sectors.
Bytes WithTextAtTheEnd(Bytes vmdk, const Bytes& text) {
  vmdk.resize((vmdk.size() + 511) / 512 * 512);
  const std::uint64_t end = vmdk.size();
  return With(WithLe64(std::move(vmdk), kDescriptorOffsetAt, end / 512), end, text);
}

constexpr const char* kHintInAComment = "# parentCID=12345678 parentFileNameHint=\"/etc/passwd\"\n";

std::vector<Threat> VmdkTextThreats() {
  constexpr const char* kFlat = "createType=\"monolithicFlat\"\nRW 1 FLAT \"/etc/passwd\" 0\n";
  const auto padded = [](const std::string& text) { return [=] { return With(Bytes(65536), 0, text); }; };
  const std::string ids = "CID=12345678\nparentCID=ffffffff\n";
  return {
      {"CarriageReturnInAComment", padded("# x\ry\nversion=1\n" + ids + kFlat), "vmdk.extent_path", "CVE-2022-47951"},
      {"NulInAComment", padded(std::string("#\0\nversion=1\n", 13) + ids + kFlat), "vmdk.create_type"},
      {"TitleOfVirtualBox", padded("#Disk Descriptor File\n" + ids + "version=1\n" + kFlat), "vmdk.extent_path",
       "CVE-2022-47951"},
      {"NothingButZeroExtents", padded("version=1\n" + ids + "createType=\"monolithicFlat\"\nRW 100 ZERO\n"),
       "vmdk.extent_description"},
      {"NoExtents", padded("version=1\n" + ids + "createType=\"monolithicFlat\"\n"), "vmdk.extent_description"},
  };
}

std::vector<Threat> VmdkParentThreats() {
  return {
      {"ParentInAComment", [] { return WithLine(Vmdk(), kHintInAComment); }, "vmdk.parent"},
      {"ParentInAStream", [] { return WithLine(Stream(), kHintInAComment); }, "vmdk.parent"},
      {"ParentWithoutItsCid", [] { return WithLine(Vmdk(), "parentFileNameHint=\"/etc/passwd\"\n"); }, "vmdk.parent"},
      {"ParentWithoutAName", [] { return Replaced(Vmdk(), "parentCID=ffffffff", "parentCID=12345678"); },
       "vmdk.parent"},
      {"ParentInASecondDescriptor", [] { return WithTextAtTheEnd(WithLine(Vmdk(), kHintInAComment), TextOf(Vmdk())); },
       "vmdk.parent"},
      {"ParentBehindTheDescriptor",
       [] {
         const Bytes vmdk = WithLe64(Vmdk(), kDescriptorOffsetAt + 8, 2);
         const Bytes text = Replaced(First(TextOf(vmdk), 1024), std::string_view("\0", 1), "\n");
         return With(With(vmdk, kTextAt, text), kTextAt + 1024, "parentFileNameHint=\"/etc/passwd\"\n");
       },
       "vmdk.parent"},
      {"DescriptorElsewhere", [] { return WithTextAtTheEnd(Vmdk(), TextOf(Vmdk())); }, "vmdk.descriptor_mismatch"},
      {"ChangesInAnotherFile", [] { return WithLine(Vmdk(), "changeTrackPath=\"/etc/shadow\"\n"); },
       "vmdk.change_track_path"},
  };
}

constexpr std::uint64_t kTrailer = 1536;  // bytes: the footer's marker, the footer and the end-of-stream marker

// With another algorithm and another byte of flags that say what grains are.
Bytes WithCompression(const Bytes& vmdk, char algorithm, char flags) {
  return With(With(vmdk, 77, std::string(1, algorithm)), 10, std::string(1, flags));
}

// In a file that ends inside a sector: one footer that fits where its last bytes are, and another of 8 TiB where its
// last sectors are.
Bytes WithTwoFooters(const Bytes& stream) {
  const std::uint64_t at = stream.size() - kTrailer;
  const Bytes trailer(stream.end() - kTrailer, stream.end());
  const Bytes footer(trailer.begin() + 512, trailer.begin() + 512 + 79);
  const Bytes image = With(With(stream, at, Bytes(412)), at + 412, trailer);
  return With(With(image, at + 512, First(trailer, 16)), at + 1024, WithLe64(footer, 12, std::uint64_t{8} << 31));
}

// Without the flag that the file has markers; in its header and its footer.
Bytes WithoutMarkers(const Bytes& stream) {
  constexpr std::uint64_t kFlags = 10;  // bits 16 to 23
  return With(With(stream, kFlags, "\1"), stream.size() - kTrailer + 512 + kFlags, "\1");
}

// Where a grain directory begins that the header names at `field`.
std::uint64_t DirectoryAt(const Bytes& vmdk, std::uint64_t field) {
  return LoadLe<std::uint64_t>(vmdk.data() + field) * 512;
}
constexpr std::uint64_t kPrimary = 56;

std::vector<Threat> VmdkTableThreats() {
  return {
      {"TwoFooters", [] { return WithTwoFooters(Stream()); }, "vmdk.stream_footer"},
      {"StreamThatEndsInsideASector", [] { return WithoutLast(Stream(), 300); }, "vmdk.truncated"},
      {"StreamWithoutItsFlag", [] { return WithoutMarkers(Stream()); }, "vmdk.stream_flags"},
      {"CompressedWithoutAFlag", [] { return WithCompression(Vmdk(), 1, 0); }, "vmdk.stream_flags"},
      {"CompressedWithMarkersAlone", [] { return WithCompression(Vmdk(), 1, 2); }, "vmdk.stream_flags"},
      {"MarkersWithoutCompression", [] { return WithCompression(Vmdk(), 0, 2); }, "vmdk.stream_flags"},
      {"DirectoryDamaged", [] { return WithLe32(Vmdk(), DirectoryAt(Vmdk(), kPrimary), 0x7FFFFFFF); },
       "vmdk.grain_directory"},
      {"DirectoriesOfTwoDisks",
       [] {
         const Bytes vmdk = Vmdk();
         const auto table = LoadLe<std::uint32_t>(vmdk.data() + DirectoryAt(vmdk, kPrimary));
         return WithLe32(vmdk, std::uint64_t{table} * 512, 0);
       },
       "vmdk.grain_directory"},
  };
}

std::vector<Threat> VmdkThreats() {
  const auto text = [](const char* type, const char* extent) { return [=] { return VmdkDescriptor(type, extent); }; };
  std::vector<Threat> threats = {
      {"ExtentWithAbsolutePath", text("monolithicFlat", "RW 2048 FLAT \"/etc/passwd\" 0"), "vmdk.extent_path",
       "CVE-2022-47951"},
      {"ExtentInAnotherFolder", text("twoGbMaxExtentFlat", "RW 2048 FLAT \"../other/disk.vmdk\" 0"), "vmdk.extent_path",
       "CVE-2022-47951"},
      {"ExtentOnADevice", text("monolithicFlat", "RW 2048 FLAT \"/dev/sda\" 0"), "vmdk.extent_path", "CVE-2022-47951"},
      {"ExtentWithABackslash", text("monolithicFlat", "RW 2048 FLAT \"..\\disk.vmdk\" 0"), "vmdk.extent_path"},
      {"ExtentOnADrive", text("monolithicFlat", "RW 2048 FLAT \"C:disk.vmdk\" 0"), "vmdk.extent_path"},
      {"ExtentInAnotherFile", text("twoGbMaxExtentSparse", "RW 2048 SPARSE \"disk-s001.vmdk\""), "vmdk.extent_file"},
      {"ExtentOfVmfs", text("vmfs", "RW 2048 VMFS \"disk-flat.vmdk\""), "vmdk.extent_file"},
      {"RawDevice", text("fullDevice", "RW 2048 FLAT \"\\\\.\\PhysicalDrive0\" 0"), "vmdk.create_type",
       "CVE-2022-47951"},
      {"MonolithicFlat",
       [] {
         return Converted({"-O", "vmdk", "-o", "subformat=monolithicFlat"});
       },
       "vmdk.extent_file"},
      {"Parent", [] { return Layer("vmdk", "vmdk"); }, "vmdk.parent"},
      {"OtherCreateTypeBehindTheHeader",
       [] { return Replaced(Vmdk(), "\"monolithicSparse\"", "\"monolithicFlat\"  "); }, "vmdk.descriptor_mismatch"},
      {"OtherExtentBehindTheHeader", [] { return Replaced(Vmdk(), "SPARSE \"image\"", "FLAT   \"image\""); },
       "vmdk.descriptor_mismatch"},
      {"OtherSizeBehindTheHeader", [] { return Replaced(Vmdk(), "RW 6144 ", "RW 6016 "); }, "vmdk.descriptor_mismatch"},
      {"PathBehindTheHeader", [] { return Replaced(Vmdk(), "\"image\"", "\"/etc/\""); }, "vmdk.extent_path"},
      {"HeaderWithoutCapacity",
       [] { return WithLe64(Replaced(Vmdk(), "SPARSE \"image\"", "FLAT \"/etc/a\"  "), 12, 0); }, "vmdk.extent_path",
       "CVE-2022-47951"},
      {"FooterOfAnotherDisk",
       [] {
         const Bytes stream = Stream();
         return WithLe64(stream, stream.size() - kStreamFooterCapacity, 4096);
       },
       "vmdk.stream_footer"},
      {"StreamCutShort", [] { return WithoutLast(Stream(), 512); }, "vmdk.stream_footer"},
      {"Truncated", [] { return WithoutLast(Vmdk(), 512); }, "vmdk.truncated"},
  };
  for (std::vector<Threat> more : {VmdkTextThreats(), VmdkParentThreats(), VmdkTableThreats()}) {
    std::ranges::move(more, std::back_inserter(threats));
  }
  return threats;
}

Bytes Behind(Bytes first, const Bytes& second) {
  const std::size_t size = first.size();
  return With(std::move(first), size, second);
}

Bytes TarWithAFile() { return MadeBy({{"tar", "cf", "image", "base.raw"}}); }
Bytes FixedVhd() { return Converted({"-O", "vpc", "-o", "subformat=fixed,force_size=on"}); }

// A footer with another field, and its checksum.
Bytes WithFooterField(Bytes vhd, std::size_t offset, std::uint64_t value, std::size_t width) {
  const std::size_t footer = vhd.size() - 512;
  PutBe(vhd, footer + offset, value, width);
  FixFooter(vhd, footer);
  return vhd;
}

Bytes IsoWithoutItsTerminator() {
  Bytes iso = RealIso();
  for (std::size_t at = 32768; at < 65536; at += 2048) {
    if (iso[at] == std::byte{0xFF}) return With(std::move(iso), at, Bytes(2048));
  }
  return {};
}

constexpr std::string_view kPloopHeader("WithouFreSpacExt\2\0\0\0\20\0\0\0\1\0\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0\1\0\0",
                                        44);

// Two contents in one file.
std::vector<Threat> AmbiguousThreats() {
  return {
      {"IsoThatIsAZip", [] { return With(RealIso(), 0, Zip()); }, "content.ambiguous"},
      {"IsoWithAZipBehind", [] { return Behind(RealIso(), Zip()); }, "content.ambiguous"},
      {"Qcow2WithAZipBehind", [] { return Behind(Qcow2(), Zip(60000)); }, "content.ambiguous"},
      {"VdiThatIsAZip",
       [] {
         return With(Converted({"-O", "vdi"}), 0, First(Zip(), 31));
       },
       "content.ambiguous"},
      {"IsoThatIsATar", [] { return With(RealIso(), 0, First(TarWithAFile(), 512)); }, "content.ambiguous"},
      {"FixedVhdThatIsATar", [] { return FixedVhdOf(TarWithAFile()); }, "content.ambiguous"},
      {"RawWithAZipBehind", [] { return Behind(Bytes(1 << 20), Zip()); }, "policy.container", "", "expect_disk=raw"},
      {"RawWithAZipOfALongComment", [] { return Behind(Bytes(1 << 20), Zip(65535)); }, "policy.container", "",
       "expect_disk=raw"},
      {"IsoThatIsHighSierra", [] { return With(RealIso(), 17 * 2048, With(Bytes(2048), 8, "\1CDROM\1")); },
       "content.ambiguous"},
      {"IsoInRawSectors", [] { return InRawSectors(RealIso()); }, "iso.raw_sectors"},
      {"IsoThatIsLuks", [] { return With(RealIso(), 0x4000, SecondLuksHeader(0x4000)); }, "content.ambiguous"},
  };
}

// What headers say, and a walk through the tables finds as well.
std::vector<Threat> HeaderThreats() {
  return {
      {"PloopInUse",
       [] {
         return With(Converted({"-O", "parallels"}), 44, "Ynot");
       },
       "ploop.in_use"},
      {"PloopShorterThanItsHeader", [] { return ToBytes(kPloopHeader); }, "ploop.header"},
      {"PloopShorterThanItsHeaderAsRaw", [] { return ToBytes(kPloopHeader); }, "policy.format", "", "expect_disk=raw"},
      {"FixedVhdWithADataOffset", [] { return WithFooterField(FixedVhd(), 16, 512, 8); }, "vhd.footer"},
      {"VdiOfAnotherCount",
       [] {
         return WithLe32(Converted({"-O", "vdi"}), 0x184, 1);
       },
       "vdi.allocated_blocks"},
      {"IsoWithoutItsTerminator", IsoWithoutItsTerminator, "iso.volume"},
      {"LuksByItsSecondHeader", [] { return With(Bytes(1 << 20), 0x8000, SecondLuksHeader(0x8000)); }, "luks.encrypted",
       "", "allow_formats=luks"},
      {"LuksByItsSecondHeaderFarOn", [] { return With(Bytes(8 << 20), 0x400000, SecondLuksHeader(0x400000)); },
       "luks.encrypted", "", "allow_formats=luks"},
      {"CowOfVersion3",
       [] {
         const std::string_view fields("OOOM\0\0\0\3\0\0\0\0\0\0\0\0\0\20\0\0\0\0\2\0\0\0\20\0\0\0\0\0/etc/passwd", 43);
         return With(Bytes(8192), 0, fields);
       },
       "cow.parent", "", "allow_formats=cow"},
      {"CompositeDisk", [] { return ToBytes("composite_disk\x1D\x08\x01\x12\x0D\x0A\x0B/etc/passwd"); },
       "composite.files", "", "allow_formats=composite"},
      {"DmgWithBytesBehind",
       [] {
         const Bytes trailer = WithBe32(With(Bytes(515), 0, "koly"), 8, 512);
         return Behind(Bytes(65536 + 300), trailer);
       },
       "policy.format", "", "expect_disk=raw"},
  };
}

std::vector<Threat> OtherThreats() {
  const FooterFields two_sizes = {
      .creator = "abcd", .size = std::uint64_t{2040} << 30, .cylinders = 1, .heads = 1, .sectors = 17};
  const auto vhdx = [] { return VhdxBytes::Of(RandomGuest(1, 4 << 20)); };
  std::vector<Threat> threats = {
      {"VhdParent", [] { return Layer("vpc", "vpc"); }, "vhd.parent"},
      {"VhdTruncated",
       [] {
         return WithoutLast(Converted({"-O", "vpc"}), 512);
       },
       "vhd.truncated"},
      {"VhdFootersDisagree",
       [] {
         Bytes one = Converted({"-O", "vpc"});
         const Bytes other = Created({"-f", "vpc"}, "8M");
         return With(std::move(one), 0, First(other, 512));
       },
       "vhd.footer_mismatch"},
      {"VhdOfTwoSizes", [=] { return MakeSparse({two_sizes}); }, "vhd.size"},
      {"VhdOfTwoSizesTooLarge", [=] { return MakeSparse({two_sizes}); }, "policy.virtual_size", "",
       "max_virtual_size=1G"},
      {"VhdOfALargerGeometry",
       [=] {
         return MakeFixed({.creator = "wa", .size = 1 << 20, .cylinders = 65534, .heads = 16, .sectors = 255},
                          std::byte{1});
       },
       "vhd.size"},
      {"VhdWithoutItsFront",
       [] {
         return With(Converted({"-O", "vpc"}), 0, Bytes(512));
       },
       "vhd.front_footer"},
      {"VhdOfADamagedFront",
       [] {
         return With(Converted({"-O", "vpc"}), 100, "\1");
       },
       "vhd.front_footer"},
      {"FixedVhdWithAFront", [] { return FixedVhdOf(With(Bytes(1 << 20), 0, "conectix")); }, "vhd.front_footer"},
      {"VhdxParent", [] { return Layer("vhdx", "vhdx"); }, "vhdx.parent"},
      {"VhdxTruncated", [=] { return WithoutLast(vhdx().bytes, 1 << 20); }, "vhdx.truncated"},
      {"VdiParent",
       [] {
         return With(WithLe32(Converted({"-O", "vdi"}), 76, 4), 0x1A8, "the parent's UUID");
       },
       "vdi.parent"},
      {"VdiTruncated",
       [] {
         return WithoutLast(Converted({"-O", "vdi"}), 512);
       },
       "vdi.truncated"},
      {"VdiWithRoomBeforeItsBlocks",
       [] {
         return WithLe32(Converted({"-O", "vdi"}), 0x17C, 1 << 20);
       },
       "vdi.block_extra"},
      {"PloopTruncated",
       [] {
         return WithoutLast(Converted({"-O", "parallels"}), 512);
       },
       "ploop.truncated"},
      {"PloopBundle",
       [] {
         return MadeBy({{Tool(), "convert", "-O", "ploop", "-o", "bundle=on", "base.raw", "folder"},
                        {"mv", "folder/DiskDescriptor.xml", "image"}});
       },
       "ploop.image_file"},
      {"Luks", [] { return With(Bytes(1 << 20), 0, std::string_view("LUKS\xBA\xBE\0\2", 8)); }, "luks.encrypted", "",
       "allow_formats=luks"},
      {"LuksAsRaw", [] { return With(Bytes(1 << 20), 0, std::string_view("LUKS\xBA\xBE\0\2", 8)); }, "policy.format",
       "", "expect_disk=raw"},
      {"VirtualIso",
       [] {
         return ToBytes(
             "--iprt-iso-maker-file-marker-bourne-sh 11111111-2222-3333-4444-555555555555\n/a=/etc/passwd\n");
       },
       "viso.files", "", "allow_formats=viso"},
      {"VirtualIsoAsRaw", [] { return With(Bytes(4096), 0, "\n--iprt-iso-maker-file-marker-ms x"); }, "policy.format",
       "", "expect_disk=raw"},
      {"IsoThatIsAVirtualIso", [] { return With(RealIso(), 0, " --iprt-iso-maker-file-marker x "); },
       "content.ambiguous"},
      {"CueSheet",
       [] { return ToBytes("FILE \"/etc/passwd\" BINARY\n  TRACK 01 MODE1/2048\n    INDEX 01 00:00:00\n"); },
       "cue.file", "", "allow_formats=cue"},
      {"IsoTruncated", [] { return WithoutLast(RealIso(), 1 << 20); }, "iso.truncated"},
      {"IsoThatIsAQcow2", [] { return With(RealIso(), 0, First(Qcow2(), 104)); }, "content.ambiguous"},
      {"IsoThatIsAVmdk",
       [] { return With(RealIso(), 0, VmdkDescriptor("monolithicFlat", "RW 8 FLAT \"/etc/passwd\" 0")); },
       "content.ambiguous"},
      {"IsoThatIsAVhd",
       [] {
         Bytes iso = RealIso();
         const Bytes vhd = Converted({"-O", "vpc", "-o", "subformat=fixed"});
         const std::size_t end = iso.size();
         return With(std::move(iso), end, Bytes(vhd.end() - 512, vhd.end()));
       },
       "content.stray_footer"},
      {"IsoInAVhd",
       [] {
         return MadeBy({{"qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on",
                         "/usr/lib/grub-rescue/grub-rescue-cdrom.iso", "image"}});
       },
       "content.ambiguous"},
      {"IsoBehindCdSyncs", [] { return WithCdSyncs(RealIso()); }, "policy.format", "", "expect_disk=raw"},
      {"IsoBehindCdSyncsInAVhd", [] { return FixedVhdOf(WithCdSyncs(RealIso())); }, "content.ambiguous", "",
       "expect_disk=vhd"},
      {"IsoAndAnotherInRawSectors",
       [] {
         const Bytes iso = RealIso();
         return With(InRawSectors(iso), 32768, Bytes(iso.begin() + 32768, iso.begin() + 34816));
       },
       "iso.two_volumes", "", "allow_formats=iso"},
      {"UdfBehindABootDescriptor", [] { return With(UdfBridge(), 32768, std::string_view("\0BOOT2\1", 7)); },
       "policy.format", "", "expect_disk=raw"},
      {"DescriptorsOfNothing",
       [] {
         Bytes disk(1 << 20);
         for (std::size_t at = 32768; at < 180224; at += 2048) disk = With(std::move(disk), at + 1, "BOOT2");
         return disk;
       },
       "content.contradiction", "", "expect_disk=raw"},
      {"FixedVhdCutInTheMiddle",
       [] {
         const Bytes vhd = Converted({"-O", "vpc", "-o", "subformat=fixed"});
         return With(First(vhd, 1 << 20), 1 << 20, Bytes(vhd.end() - 512, vhd.end()));
       },
       "content.stray_footer"},
      {"FooterCutShort",
       [] {
         const Bytes vhd = FixedVhdOf(Bytes(1 << 20));
         return First(vhd, vhd.size() - 100);
       },
       "content.stray_footer", "", "expect_disk=raw"},
      {"ProtectiveMbrAlone", LoneProtectiveMbr, "partition.protective_mbr"},
      {"RawThatIsAQcow2", Qcow2, "policy.format", "CVE-2024-40767", "expect_disk=raw"},
      {"Qcow2ThatIsRaw", [] { return Bytes(1 << 20); }, "policy.format", "", "expect_disk=qcow2"},
      {"HeaderBehindPadding", [] { return With(Bytes(4096), 4096, Qcow2()); }, "content.padded_header"},
      {"ZipWithAKernelsMarks", [] { return WithKernelsMarks(With(Bytes(4096), 0, "PK\x03\x04")); }, "policy.container",
       "", "expect_disk=raw"},
      {"TarWithAKernelsMarks",
       [] {
         const Bytes tar = MadeBy({{"tar", "cf", "image", "base.raw"}});
         return WithKernelsMarks(tar);
       },
       "policy.container", "", "expect_disk=raw"},
      {"TarWithoutAMark",
       [] {
         return MadeBy({{"tar", "--format=v7", "-cf", "image", "base.raw"}});
       },
       "policy.container", "", "expect_disk=raw"},
      {"OvaAsAmi", [] { return OvaOf(Bytes(1 << 20), "1048576", ""); }, "policy.container", "", "expect_container=ami"},
      {"ContainerThatIsNone", Qcow2, "policy.container", "", "expect_container=ova"},
  };
  for (std::vector<Threat> more : {AmbiguousThreats(), HeaderThreats()}) {
    std::ranges::move(more, std::back_inserter(threats));
  }
  return threats;
}

std::vector<Threat> ThreatsOf(std::vector<Appliance> appliances) {
  std::vector<Threat> threats;
  for (Appliance& appliance : appliances) {
    threats.push_back({std::move(appliance.name), std::move(appliance.make), std::move(appliance.code),
                       std::move(appliance.cve), appliance.container});
  }
  return threats;
}

std::vector<Threat> ContainerThreats() { return ThreatsOf(HostileAppliances()); }
std::vector<Threat> CompressedThreats() { return ThreatsOf(HostileStreams()); }
std::vector<Threat> DockerThreats() { return ThreatsOf(HostileDockerArchives()); }

class Threats : public testing::TestWithParam<Threat> {};

TEST_P(Threats, IsNamedAndRefused) {
  const Threat& threat = GetParam();
  const Bytes image = threat.make();
  ASSERT_FALSE(image.empty());
  inspect::Options options;
  if (!threat.policy.empty()) {
    const std::size_t equals = threat.policy.find('=');
    ASSERT_TRUE(
        inspect::SetPolicyValue(options.policy, threat.policy.substr(0, equals), threat.policy.substr(equals + 1))
            .ok());
  }
  const inspect::Report report = InspectBytes(image, options, Depth::kStreaming);
  const Finding* finding = FindCode(report, threat.code);
  ASSERT_NE(finding, nullptr) << Text(report);
  EXPECT_GE(finding->severity, Severity::kUnsafe) << Text(report);
  if (!threat.cve.empty() && threat.code.find("policy") == std::string::npos) {
    EXPECT_THAT(finding->cves, testing::Contains(threat.cve)) << Text(report);
  }
  EXPECT_EQ(report.verdict, Verdict::kRefused) << Text(report);
  EXPECT_EQ(InspectBytes(image, options, Depth::kFull).verdict, Verdict::kRefused);
  for (const std::size_t piece : {std::size_t{511}, std::size_t{65536}, std::size_t{1} << 24}) {
    EXPECT_EQ(Text(InspectStream(image, options, piece)), Text(report)) << "in pieces of " << piece;
  }
}

// docs/security.md lists every threat with its code and CVE number, and nothing that has no test here.
TEST(SecurityPage, ListsTheThreats) {
  std::set<std::vector<std::string>> listed;
  for (const auto& row : SecurityTable("Threats")) {
    if (row.back().find('/') != std::string::npos) listed.insert({row.end() - 3, row.end()});
  }
  std::set<std::vector<std::string>> tested;
  const auto add = [&](const std::string& suite, const std::vector<Threat>& threats) {
    for (const Threat& threat : threats) tested.insert({threat.cve, threat.code, suite + "/" + threat.name});
  };
  add("Qcow2", Qcow2Threats());
  add("Vmdk", VmdkThreats());
  add("Other", OtherThreats());
  add("Container", ContainerThreats());
  add("Docker", DockerThreats());
  add("Compressed", CompressedThreats());
  add("Layer", ThreatsOf(HostileLayers()));
  EXPECT_EQ(listed, tested);
}

const auto kName = [](const auto& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Qcow2, Threats, testing::ValuesIn(Qcow2Threats()), kName);
INSTANTIATE_TEST_SUITE_P(Vmdk, Threats, testing::ValuesIn(VmdkThreats()), kName);
INSTANTIATE_TEST_SUITE_P(Other, Threats, testing::ValuesIn(OtherThreats()), kName);
INSTANTIATE_TEST_SUITE_P(Compressed, Threats, testing::ValuesIn(CompressedThreats()), kName);
INSTANTIATE_TEST_SUITE_P(Docker, Threats, testing::ValuesIn(DockerThreats()), kName);
INSTANTIATE_TEST_SUITE_P(Container, Threats, testing::ValuesIn(ContainerThreats()), kName);

// What a log says is what the disk is; the tables that a stream shows may be others.
TEST(VhdxThreats, ALogIsNamedAndRefused) {
  VhdxBytes image = VhdxBytes::Of(RandomGuest(1, 4 << 20));
  LogMaker log(image, *vhdx::Guid::Parse("12345678-9abc-def0-1234-56789abcdef0"));
  log.flushed = log.last = image.bytes.size();
  log.Add(0, 1, 0, {{kPayloadAt, {}, 4096}});
  const inspect::Report report = InspectBytes(image.bytes, {}, Depth::kStreaming);
  EXPECT_NE(FindCode(report, "vhdx.log"), nullptr) << Text(report);
  EXPECT_EQ(report.verdict, Verdict::kRefused);
  EXPECT_EQ(InspectStream(image.bytes, {}, 65536).verdict, Verdict::kRefused);
}

TEST(VhdxThreats, RegionsThatOverlapAreNamedAndRefused) {
  VhdxBytes image = VhdxBytes::Of(RandomGuest(1, 4 << 20));
  for (const std::uint64_t table : vhdx::kRegionTableOffsets) {
    const std::uint64_t first = table + 16 + vhdx::RegionEntry::kFileOffset.offset;
    image.Put64(first, image.U64(first + vhdx::RegionEntry::kSize));
  }
  image.SealRegions();
  const inspect::Report report = InspectBytes(image.bytes, {}, Depth::kStreaming);
  EXPECT_NE(FindCode(report, "vhdx.region_table"), nullptr) << Text(report);
  EXPECT_EQ(report.verdict, Verdict::kRefused);
}

}  // namespace
}  // namespace platter::test
