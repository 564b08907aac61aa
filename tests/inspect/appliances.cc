#include "tests/inspect/appliances.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/containers/ovf_texts.h"
#include "tests/containers/tar_bytes.h"

namespace platter::test {
namespace {

constexpr const char* kVmdk = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
constexpr const char* kQcow2 = "http://www.gnome.org/~markmc/qcow-image-format.html";
constexpr const char* kRaw = "http://en.wikipedia.org/wiki/Byte";

std::string Text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Of members as they stand, behind a descriptor for a raw disk of one sector.
std::string Members(const std::string& more) {
  return TarMember({.name = "box.ovf", .content = OneDiskOvf("disk", "512", "", kRaw)}) +
         TarMember({.name = "disk", .content = std::string(512, 'x')}) + more;
}
Bytes Archive(const std::string& members) { return ToBytes(TarArchive({members})); }
Bytes With(const TarEntry& entry) { return Archive(Members(TarMember(entry))); }
Bytes WithDescriptor(const std::string& text) {
  return Archive(TarMember({.name = "box.ovf", .content = text}) +
                 TarMember({.name = "disk", .content = std::string(512, 'x')}));
}
Bytes WithHref(const std::string& href) { return WithDescriptor(OneDiskOvf(href, "512", "", kRaw)); }
Bytes WithManifest(const std::string& file) {
  return With({.name = "box.mf", .content = fmt::format("SHA256({})= {}\n", file, std::string(64, '0'))});
}

std::vector<Appliance> HostileArchives() {
  return {
      {"AbsoluteName", [] { return With({.name = "/etc/passwd"}); }, "tar.name", "CVE-2007-4559"},
      {"NameOutside", [] { return With({.name = "a/../../b"}); }, "tar.name", "CVE-2007-4559"},
      {"LinkOutside", [] { return With({.name = "a", .type = '2', .link = "/etc/passwd"}); }, "tar.link"},
      {"Link", [] { return With({.name = "a", .type = '2', .link = "disk"}); }, "ova.member"},
      {"HardLink", [] { return With({.name = "a", .type = '1', .link = "../../etc/passwd"}); }, "tar.link"},
      {"Device", [] { return With({.name = "sda", .type = '4'}); }, "tar.device"},
      {"Pipe", [] { return With({.name = "pipe", .type = '6'}); }, "tar.device"},
      {"Duplicate", [] { return With({.name = "./disk", .content = "other"}); }, "tar.duplicate"},
      {"Sparse", [] { return With({.name = "a", .content = std::string(512, 'y'), .type = 'S'}); }, "tar.sparse"},
      {"SparseMapOfAFile",
       [] {
         return With({.name = "a", .content = std::string(512, 'y'), .prefix = GnuSparseMap(), .magic = GnuMagic()});
       },
       "tar.sparse"},
      {"PaxSize",
       [] { return Archive(Members(TarPax({"size=512"}) + TarMember({.name = "a"}) + TarMember({.name = "hidden"}))); },
       "tar.size", "CVE-2025-62518"},
      {"SizeBehindANul", [] { return With({.name = "a", .size_field = std::string("\0001000", 5)}); }, "tar.size"},
      {"PaxNameWithNul",
       [] { return Archive(Members(TarPax({std::string("path=disk\0x", 11)}) + TarMember({.name = "a"}))); },
       "tar.pax_header"},
      {"TwoNames",
       [] {
         return Archive(Members(TarMember({.name = "L", .content = "../../etc/cron.d/a", .type = 'L'}) +
                                TarPax({"path=a"}) + TarMember({.name = "b"})));
       },
       "tar.name"},
      {"PrefixOfGnu", [] { return With({.name = "cron.d/a", .prefix = "../../etc", .magic = GnuMagic()}); },
       "tar.name"},
      // Python takes the time for a folder.
      {"TimesOfGnu",
       [] { return With({.name = "a", .prefix = std::string("14612462517\00014612462517", 23), .magic = GnuMagic()}); },
       "tar.name"},
      {"PaxNameOfAnother",
       [] {
         return Archive(TarMember({.name = "box.ovf", .content = OneDiskOvf("disk", "512", "", kRaw)}) +
                        TarPax({"path=disk"}) + TarMember({.name = "a", .content = std::string(512, 'x')}) +
                        TarPax({"path=readme"}) + TarMember({.name = "disk", .content = std::string(512, 'y')}));
       },
       "tar.name"},
      {"ShortNameOfAnother",
       [] {
         return Archive(Members(TarPax({"path=" + std::string(101, 'b')}) +
                                TarMember({.name = "disk", .content = std::string(512, 'y')})));
       },
       "tar.duplicate"},
      {"OneFileOnWindows", [] { return With({.name = "DISK. ", .content = std::string(512, 'y')}); }, "tar.duplicate"},
      {"StreamOnWindows", [] { return With({.name = "disk::$DATA", .content = std::string(512, 'y')}); },
       "tar.duplicate"},
      {"SunsPaxHeader", [] { return Archive(Members(TarPax({"path=disk"}, 'X') + TarMember({.name = "a"}))); },
       "tar.type"},
      {"GlobalHeaderBetween",
       [] { return Archive(Members(TarPax({"path=a"}) + TarPax({"comment=x"}, 'g') + TarMember({.name = "disk"}))); },
       "tar.type"},
      {"ModeOfLetters",
       [] {
         std::string member = TarMember({.name = "a"});
         member[100] = 'x';
         MendTarHeader(member, 0);
         return Archive(Members(member));
       },
       "tar.header"},
      {"PaxPath", [] { return Archive(Members(TarPax({"path=../../etc/cron.d/a"}) + TarMember({.name = "a"}))); },
       "tar.name", "CVE-2007-4559"},
      {"PaxSparse",
       [] {
         return Archive(Members(TarPax({"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=a"}) +
                                TarMember({.name = "GNUSparseFile.0/a", .content = std::string(512, 'y')})));
       },
       "tar.sparse"},
      {"PaxSparseOfSun",
       [] {
         return Archive(Members(TarPax({"SUN.holesdata= 0 512 1024"}) +
                                TarMember({.name = "a", .content = std::string(512, 'y')})));
       },
       "tar.sparse"},
      {"PaxWithoutEnd",
       [] { return Archive(Members(TarMember({.name = "x", .content = "99 path=a\n", .type = 'x'}))); },
       "tar.pax_header"},
      {"NegativeSize",
       [] {
         return With({.name = "a", .size_field = std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE")});
       },
       "tar.size"},
      {"LoneZeroBlock",
       [] { return ToBytes(Members("") + std::string(512, '\0') + TarArchive({TarMember({.name = "a"})})); },
       "tar.lone_zero_block"},
      {"PastTheEnd", [] { return With({.name = "a", .size_field = "77777777777"}); }, "tar.size"},
      {"SecondArchive", [] { return ToBytes(TarArchive({Members("")}) + TarArchive({Members("")})); },
       "tar.trailing_data"},
      {"SecondArchiveFarBehind",
       [] {
         const std::string padding(std::size_t{200} << 10, '\0');
         return ToBytes(TarArchive({Members("")}) + padding + TarArchive({Members("")}) + padding);
       },
       "tar.trailing_data"},
      {"Checksum",
       [] {
         std::string broken = TarMember({.name = "a"});
         broken[0] = 'b';
         return Archive(Members(broken));
       },
       "tar.header"},
  };
}

std::vector<Appliance> HostileDescriptors() {
  return {
      {"Entities",
       [] {
         std::string text = OneDiskOvf("disk", "512", "", kRaw);
         text.insert(text.find("<Envelope"), "<!DOCTYPE Envelope [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>");
         return WithDescriptor(text);
       },
       "ovf.descriptor"},
      // A billion laughs.
      {"XmlBomb",
       [] {
         std::string text = "<!DOCTYPE Envelope [<!ENTITY a \"ha\">";
         for (char name = 'b'; name < 'l'; ++name) {
           std::string ten;
           for (int count = 0; count < 10; ++count) ten += fmt::format("&{};", static_cast<char>(name - 1));
           text += fmt::format("<!ENTITY {} \"{}\">", name, ten);
         }
         std::string descriptor = OneDiskOvf("disk", "512", "", kRaw);
         descriptor.insert(descriptor.find("<Envelope"), text + "]>");
         return WithDescriptor(descriptor);
       },
       "ovf.descriptor"},
      // libxml2 reads a second file in it.
      {"EncodingWithState",
       [] {
         std::string text = OneDiskOvf("disk", "512", "", kRaw);
         text.replace(text.find("UTF-8"), 5, "UTF-7");
         text.insert(text.find("</References>"), "+ADw-File ovf:id=+ACI-g+ACI- ovf:href=+ACI-/etc/passwd+ACI-/+AD4-");
         return WithDescriptor(text);
       },
       "ovf.descriptor"},
      {"EncodingOfAnotherName",
       [] {
         std::string text = OneDiskOvf("d\xC3\xAFsk", "512", "", kRaw);
         text.replace(text.find("UTF-8"), 5, "windows-1252");
         return Archive(TarMember({.name = "box.ovf", .content = text}) +
                        TarMember({.name = "d\xC3\xAFsk", .content = std::string(512, 'x')}));
       },
       "ovf.descriptor"},
      {"TwoDescriptors", [] { return With({.name = "other.ovf", .content = OneDiskOvf("disk", "512")}); },
       "ovf.descriptor"},
      {"CapacityWraps", [] { return WithDescriptor(OneDiskOvf("disk", "17179869184", "byte * 2^30", kRaw)); },
       "ovf.descriptor"},
      {"HrefOutside", [] { return WithHref("/etc/passwd"); }, "ovf.href"},
      {"HrefRemote", [] { return WithHref("http://localhost/disk"); }, "ovf.href"},
      {"HrefOfTwoMembers",
       [] {
         return Archive(TarMember({.name = "box.ovf", .content = OneDiskOvf("%64isk", "512", "", kRaw)}) +
                        TarMember({.name = "disk", .content = std::string(512, 'x')}) +
                        TarMember({.name = "%64isk", .content = std::string(512, 'y')}));
       },
       "ovf.href"},
      {"HrefOfTwoFilesInChunks",
       [] {
         std::string text = OneDiskOvf("%64isk", "512", "", kRaw);
         text.insert(text.find("<File ") + 6, "ovf:chunkSize=\"512\" ");
         return Archive(TarMember({.name = "box.ovf", .content = text}) +
                        TarMember({.name = "disk.000000000", .content = std::string(512, 'x')}) +
                        TarMember({.name = "%64isk.000000000", .content = std::string(512, 'y')}));
       },
       "ovf.href"},
      {"CapacityOfPetabytes", [] { return WithDescriptor(OneDiskOvf("disk", "1", "byte * 2^50", kRaw)); },
       "policy.virtual_size", "", "max_virtual_size=1G"},
      {"CapacityOverRatio", [] { return WithDescriptor(OneDiskOvf("disk", "1", "byte * 2^50", kRaw)); }, "policy.ratio",
       "", "max_ratio=100"},
      {"EmptyDiskOfPetabytes",
       [] {
         return WithDescriptor(
             VmwareOvf({R"(<File ovf:id="f" ovf:href="disk"/>)",
                        R"(<Disk ovf:diskId="a" ovf:capacity="512" ovf:fileRef="f"/>)"
                        R"(<Disk ovf:diskId="b" ovf:capacity="4096" ovf:capacityAllocationUnits="byte * 2^40"/>)"}));
       },
       "policy.virtual_size", "", "max_virtual_size=1G"},
      {"MissingFile", [] { return WithHref("other"); }, "ova.missing_file"},
      {"Digest", [] { return WithManifest("box.ovf"); }, "ovf.digest"},
      {"DigestOfNothing", [] { return WithManifest("nothing"); }, "ovf.manifest_file"},
      {"CertificateAlone", [] { return With({.name = "box.cert", .content = "SHA256(box.mf)= 00\n"}); },
       "ovf.certificate"},
      {"DeltaDisk",
       [] {
         return WithDescriptor(
             VmwareOvf({R"(<File ovf:id="f" ovf:href="disk"/>)",
                        R"(<Disk ovf:diskId="a" ovf:capacity="512" ovf:fileRef="f" ovf:parentRef="b"/>)"
                        R"(<Disk ovf:diskId="b" ovf:capacity="512"/>)"}));
       },
       "ovf.parent"},
      {"BareDescriptor", [] { return ToBytes(OneDiskOvf("disk", "512")); }, "ovf.file", "", "expect_container=ovf"},
  };
}

// A raw disk of two sectors in chunks of one; `said`: further attributes of its File.
Bytes InChunks(const std::string& members, const std::string& said) {
  std::string text = OneDiskOvf("disk", "1024", "", kRaw);
  text.insert(text.find("<File ") + 6, "ovf:chunkSize=\"512\" " + said);
  return Archive(TarMember({.name = "box.ovf", .content = text}) + members);
}
std::string Chunk(int number, std::size_t size = 512) {
  return TarMember({.name = fmt::format("disk.{:09}", number), .content = std::string(size, 'x')});
}

std::vector<Appliance> HostileChunks() {
  const std::string size = "ovf:size=\"1024\" ";
  return {
      {"ChunkMissing", [=] { return InChunks(Chunk(0), size); }, "ovf.chunk"},
      {"LastChunkMissing", [=] { return InChunks(Chunk(0), ""); }, "ovf.chunk"},
      {"OneChunkMore", [=] { return InChunks(Chunk(0) + Chunk(1) + Chunk(2), size); }, "ovf.chunk"},
      {"ChunkTooLong", [=] { return InChunks(Chunk(0, 513) + Chunk(1, 511), size); }, "ovf.chunk"},
      {"TwoChunksOfOneName", [=] { return InChunks(Chunk(0) + Chunk(1) + Chunk(1), size); }, "ovf.chunk"},
      {"ChunksAndTheWhole",
       [=] {
         return InChunks(Chunk(0) + Chunk(1) + TarMember({.name = "disk", .content = std::string(1024, 'y')}), size);
       },
       "ovf.chunk"},
      {"ChunksOfNothing",
       [] {
         std::string text = OneDiskOvf("disk", "512", "", kRaw);
         text.insert(text.find("<File ") + 6, "ovf:chunkSize=\"0\" ");
         return WithDescriptor(text);
       },
       "ovf.chunk"},
  };
}

// In which a disk of zeros shrinks to nothing.
Bytes CompressionBomb() {
  const Bytes packed = MadeBy({{"sh", "-c", "head -c 1200M /dev/zero | zstd -q > image"}});
  std::string text = OneDiskOvf("disk", "1258291200", "", kRaw);
  text.insert(text.find("<File ") + 6, "ovf:compression=\"zstd\" ");
  return Archive(TarMember({.name = "box.ovf", .content = text}) +
                 TarMember({.name = "disk", .content = Text(packed)}));
}

std::vector<Appliance> HostileDisks() {
  return {
      {"CompressionBomb", CompressionBomb, "compressed.bomb"},
      {"OtherFormat",
       [] {
         return OvaOf(Created({"-f", "qcow2"}, "1M"), "1048576", kVmdk);
       },
       "ovf.format"},
      {"LargerDisk",
       [] {
         return OvaOf(Created({"-f", "qcow2"}, "2M"), "1048576", kQcow2);
       },
       "ovf.capacity"},
      {"BackingFile",
       [] {
         return OvaOf(Created({"-f", "qcow2", "-b", "base.raw", "-F", "raw"}), "1048576", kQcow2);
       },
       "qcow2.backing_file", "CVE-2015-5163"},
      {"UnusedDisk",
       [] {
         return OvaWithFile(Created({"-f", "qcow2"}, "1M"));
       },
       "ovf.unused_disk"},
      {"UnusedBackingFile",
       [] {
         return OvaWithFile(Created({"-f", "qcow2", "-b", "base.raw", "-F", "raw"}));
       },
       "qcow2.backing_file", "CVE-2015-5163"},
      {"CdThatIsAQcow2",
       [] {
         Bytes iso = RealIso();
         const Bytes header = Created({"-f", "qcow2"}, "1M");
         std::copy(header.begin(), header.begin() + 104, iso.begin());
         return OvaWithFile(iso);
       },
       "content.ambiguous"},
      {"ExtentOfTheHost",
       [] { return OvaOf(VmdkDescriptor("monolithicFlat", "RW 2048 FLAT \"/etc/passwd\" 0"), "1048576", kVmdk); },
       "vmdk.extent_path", "CVE-2022-47951"},
      {"ParentOfTheHost",
       [] {
         return OvaOf(Replaced(Created({"-f", "vmdk"}, "1M"), "# Disk DescriptorFile\nversion=1",
                               "parentFileNameHint=\"/etc/hosts\""),
                      "1048576", kVmdk);
       },
       "vmdk.parent"},
      {"OldFormat",
       [] {
         return OvaOf(Created({"-f", "qcow"}, "1M"), "1048576", "");
       },
       "policy.format_not_allowed"},
      // A fixed VHD's footer says how long its disk is: the archive is made for it.
      {"Vhd",
       [] {
         const Bytes vhd = Created({"-f", "vpc", "-o", "subformat=fixed,force_size=on"}, "1M");
         const std::string start = Members("");
         std::string text = start + std::string(vhd.size() - start.size(), '\0');
         text.replace(text.size() - 512, 512, Text(vhd), vhd.size() - 512, 512);
         return ToBytes(text);
       },
       "content.ambiguous"},
  };
}

}  // namespace

Bytes OvaOf(const Bytes& disk, const std::string& capacity, const std::string& uri, const std::string& more) {
  return Archive(TarMember({.name = "box.ovf", .content = OneDiskOvf("box-disk1", capacity, "", uri)}) +
                 TarMember({.name = "box-disk1", .content = Text(disk)}) + more);
}

Bytes OvaWithFile(const Bytes& file) {
  const std::string text =
      VmwareOvf({R"(<File ovf:id="f" ovf:href="disk"/><File ovf:id="g" ovf:href="other"/>)",
                 fmt::format(R"(<Disk ovf:diskId="a" ovf:capacity="512" ovf:fileRef="f" ovf:format="{}"/>)", kRaw)});
  return Archive(TarMember({.name = "box.ovf", .content = text}) +
                 TarMember({.name = "disk", .content = std::string(512, 'x')}) +
                 TarMember({.name = "other", .content = Text(file)}));
}

Bytes OvaOfDisks(const std::vector<Bytes>& disks, const std::string& capacity, const std::string& uri) {
  OvfParts parts;
  std::string members;
  for (std::size_t at = 0; at < disks.size(); ++at) {
    parts.references +=
        fmt::format(R"(<File ovf:id="file{0}" ovf:href="disk{0}" ovf:size="{1}"/>)", at, disks[at].size());
    parts.disks += fmt::format(R"(<Disk ovf:diskId="d{0}" ovf:fileRef="file{0}" ovf:capacity="{1}" ovf:format="{2}"/>)",
                               at, capacity, uri);
    members += TarMember({.name = fmt::format("disk{}", at), .content = Text(disks[at])});
  }
  return Archive(TarMember({.name = "box.ovf", .content = VmwareOvf(parts)}) + members);
}

std::vector<Appliance> HostileAppliances() {
  std::vector<Appliance> all = HostileArchives();
  for (auto& more : {HostileDescriptors(), HostileChunks(), HostileDisks()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<Appliance> HostileStreams() {
  const auto packed = [](const std::string& words) {
    return [words] { return MadeBy({{"sh", "-c", "head -c 600000 /dev/urandom > a && " + words}}); };
  };
  const std::string qcow2 = "qemu-img create -q -f qcow2 -u -b /etc/passwd -F raw b 1M && ";
  const std::string at_end =
      "s=$(stat -c %s image); printf zzzz | dd of=image bs=1 conv=notrunc status=none seek=$((s-";
  const std::string inside = "; printf zzzzzzzz | dd of=image bs=1 conv=notrunc status=none seek=300000";
  const char* const declared = "expect_container=compressed";
  return {
      {"GzipCut", packed("gzip -c a | head -c 300000 > image"), "compressed.truncated", "", declared},
      {"XzCut", packed("xz -0 -c a | head -c 300000 > image"), "compressed.truncated", "", declared},
      {"GzipChecksum", packed("gzip -c a > image; " + at_end + "8))"), "compressed.checksum", "", declared},
      {"ZstdChecksum", packed("zstd -q -c a > image; " + at_end + "4))"), "compressed.checksum", "", declared},
      {"Bzip2Damaged", packed("bzip2 -c a > image" + inside), "compressed.data", "", declared},
      {"XzDamaged", packed("xz -0 -c a > image" + inside), "compressed.data", "", declared},
      {"GzipTrailing", packed("(gzip -c a; echo rest) > image"), "compressed.trailing_data", "", declared},
      {"ZstdTrailing", packed("(zstd -q -c a; echo rest) > image"), "compressed.trailing_data", "", declared},
      {"GzipMemberBehindPadding", packed("(gzip -c a; head -c 512 /dev/zero; gzip -c a) > image"),
       "compressed.trailing_data", "", declared},
      {"XzMemberBehindPadding", packed("(xz -0 -c a; head -c 8 /dev/zero; xz -0 -c a) > image"),
       "compressed.trailing_data", "", declared},
      {"Bomb", packed("head -c 1200M /dev/zero | zstd -q > image"), "compressed.bomb", "", declared},
      {"RamdiskBomb", packed(": > b; (echo b | cpio -o -H newc --quiet; head -c 1200M /dev/zero) | zstd -q > image"),
       "compressed.bomb", "", "expect_disk=ari"},
      {"GzipAsAmi", packed("mke2fs -q -t ext4 -F b 2M && gzip -c b > image"), "policy.container", "",
       "expect_container=ami"},
      {"GzipWithHalfAKernelsMark",
       packed("(head -c 514 /dev/zero; printf HdrS; head -c 100k a) | gzip > image; echo more >> image"),
       "policy.container", "", "expect_disk=raw"},
      {"BackingFile", packed(qcow2 + "gzip -c b > image"), "qcow2.backing_file", "CVE-2015-5163", declared},
      {"Parent",
       packed("qemu-img create -q -f vmdk b 1M && sed -i s/parentCID=ffffffff/parentCID=12345678/ b && "
              "gzip -c b > image"),
       "vmdk.parent", "", declared},
      {"TooLarge", packed("gzip -c a > image"), "policy.virtual_size", "", "max_virtual_size=500k"},
      {"RawThatIsAQcow2", packed("qemu-img create -q -f qcow2 b 1M && xz -c b > image"), "policy.format",
       "CVE-2024-40767", "expect_disk=raw"},
  };
}

}  // namespace platter::test
