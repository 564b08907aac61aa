// Appliances: made by GNU tar and 7zip with disks of qemu-img, read by the tool; and what a forger makes of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "formats/container_table.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "tests/containers/ovf_texts.h"
#include "tests/containers/tar_bytes.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

using testing::HasSubstr;

const std::string kTool = PLATTER_TOOL;
constexpr std::uint64_t kDiskSize = std::uint64_t{8} << 20;

// A folder with disk.raw, as it is to be read, and what makes appliances of it.
class Workshop {
 public:
  Workshop() {
    GuestDisk disk;
    disk.size = kDiskSize;
    disk.ranges = {{0, kDiskSize / 4, GuestRange::Kind::kNoise, 7},
                   {kDiskSize / 4, kDiskSize / 2, GuestRange::Kind::kHole},
                   {kDiskSize / 4 * 3, kDiskSize / 4, GuestRange::Kind::kNoise, 9}};
    WriteRawFile(disk, File("disk.raw"));
  }

  std::string File(std::string_view name) const { return dir_.File(name); }
  std::string Run(const std::vector<std::string>& argv) const {
    CommandOptions options;
    options.folder = dir_.path().string();
    return MustRun(argv, options);
  }
  CommandResult Try(const std::vector<std::string>& argv) const {
    CommandOptions options;
    options.folder = dir_.path().string();
    return RunCommand(argv, options);
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name), std::ios::binary) << text;
  }
  // box.ovf for disk.raw in a file of this format, which is made too.
  void MakeDisk(const std::string& format, const std::string& options, const std::string& uri) const {
    std::vector<std::string> command = {"qemu-img", "convert", "-O", format, "disk.raw", "box-disk1"};
    if (!options.empty()) command.insert(command.begin() + 4, {"-o", options});
    Run(command);
    Write("box.ovf", OneDiskOvf("box-disk1", "8", "byte * 2^20", uri));
  }
  void MakeStreamOptimized() const {
    MakeDisk("vmdk", "subformat=streamOptimized", "http://www.vmware.com/interfaces/specifications/vmdk.html");
  }

 private:
  TempDir dir_;
};

struct Packing {
  std::string name;
  std::string format;
  std::string options;
  std::string uri;
  std::string pack;  // shell words
};
void PrintTo(const Packing& packing, std::ostream* out) { *out << packing.name; }

const std::string kVmdk = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
const std::string kRaw = "http://en.wikipedia.org/wiki/Byte";
const std::string kGnuTar = "tar --format=ustar -cf box.ova box.ovf box-disk1";

// Divides box-disk1 and says so in the descriptor; `chunks`: the archive's members, in their order.
std::string Divided(const std::string& size, const std::string& chunks) {
  return fmt::format(
      "split -d -a 9 -b {0} box-disk1 box-disk1. && rm box-disk1 && "
      "sed -i 's,<File ,<File ovf:chunkSize=\"{0}\" ,' box.ovf && tar --format=ustar -cf box.ova box.ovf {1}",
      size, chunks);
}

const std::vector<Packing> kPackings = {
    {"StreamOptimized", "vmdk", "subformat=streamOptimized", kVmdk, kGnuTar},
    {"Sparse", "vmdk", "", "http://www.vmware.com/interfaces/specifications/vmdk.html#sparse", kGnuTar},
    {"Qcow2", "qcow2", "", "http://www.gnome.org/~markmc/qcow-image-format.html", kGnuTar},
    {"Raw", "raw", "", "http://en.wikipedia.org/wiki/Byte", kGnuTar},
    {"VhdFixed", "vpc", "subformat=fixed,force_size=on", "http://technet.microsoft.com/en-us/library/bb676673.aspx",
     kGnuTar},
    {"UnknownUri", "vhdx", "", "http://example.org/some-disk", kGnuTar},
    {"Gzip", "vmdk", "subformat=streamOptimized", kVmdk,
     "gzip box-disk1; mv box-disk1.gz box-disk1; sed -i 's,<File ,<File ovf:compression=\"gzip\" ,' box.ovf; " +
         kGnuTar},
    {"Chunks", "vmdk", "subformat=streamOptimized", kVmdk, Divided("1000000", "box-disk1.*")},
    {"ChunksOfRaw", "raw", "", kRaw, Divided("2097152", "box-disk1.*")},
    {"ChunksOfGzip", "vmdk", "subformat=streamOptimized", kVmdk,
     "gzip box-disk1; mv box-disk1.gz box-disk1; sed -i 's,<File ,<File ovf:compression=\"gzip\" ,' box.ovf; " +
         Divided("999999", "box-disk1.*")},
    {"ChunksInAnyOrder", "qcow2", "", "http://www.gnome.org/~markmc/qcow-image-format.html",
     Divided("3000000", "$(ls -r box-disk1.*)")},
    {"ChunksOfSaidSize", "qcow2", "", "http://www.gnome.org/~markmc/qcow-image-format.html",
     "sed -i \"s,<File ,<File ovf:size='$(stat -c %s box-disk1)' ,\" box.ovf; " + Divided("3000000", "box-disk1.*")},
    {"OneChunk", "raw", "", kRaw, Divided("9000000", "box-disk1.*")},
    {"GnuFormat", "vmdk", "subformat=streamOptimized", kVmdk, "tar --format=gnu -cf box.ova ./box.ovf ./box-disk1"},
    {"PaxFormat", "vmdk", "subformat=streamOptimized", kVmdk, "tar --format=pax -cf box.ova box.ovf box-disk1"},
    {"V7Format", "vmdk", "subformat=streamOptimized", kVmdk, "tar --format=v7 -cf box.ova box.ovf box-disk1"},
    {"SevenZip", "vmdk", "subformat=streamOptimized", kVmdk, "7zz a -ttar box.ova box.ovf box-disk1 >/dev/null"},
    {"DiskFirst", "vmdk", "subformat=streamOptimized", kVmdk, ": > a; tar -cf box.ova a box.ovf box-disk1"},
};

class Ova : public testing::TestWithParam<Packing> {};

TEST_P(Ova, HoldsTheDiskThatWasPutIn) {
  const Workshop shop;
  shop.MakeDisk(GetParam().format, GetParam().options, GetParam().uri);
  shop.Run({"sh", "-c", GetParam().pack});
  shop.Run({kTool, "convert", "-O", "qcow2", "box.ova", "out.qcow2"});
  shop.Run({"qemu-img", "compare", "-f", "qcow2", "-F", "raw", "out.qcow2", "disk.raw"});
  shop.Run({kTool, "compare", "box.ova", "disk.raw"});
  EXPECT_EQ(shop.Run({kTool, "hash", "--guest", "box.ova"}).substr(0, 64),
            shop.Run({"sha256sum", "disk.raw"}).substr(0, 64));
  const std::string info = shop.Run({kTool, "info", "--output=json", "box.ova"});
  EXPECT_THAT(info, HasSubstr("\"container\": \"ova\""));
  EXPECT_THAT(info, HasSubstr("\"virtual-size\": 8388608"));
  EXPECT_THAT(info, HasSubstr("\"capacity\": 8388608"));
  // The disk beside its descriptor.
  shop.Run({kTool, "compare", "box.ovf", "disk.raw"});
}

INSTANTIATE_TEST_SUITE_P(Packings, Ova, testing::ValuesIn(kPackings), [](const auto& row) { return row.param.name; });

TEST(OvaTool, MapsIntoTheArchive) {
  const Workshop shop;
  shop.MakeDisk("raw", "", "http://en.wikipedia.org/wiki/Byte");
  shop.Run({"sh", "-c", kGnuTar});
  const std::string map = shop.Run({kTool, "map", "--output=json", "box.ova"});
  // Two headers and a descriptor of one block.
  EXPECT_THAT(map, HasSubstr("\"offset\": 1536"));
  EXPECT_THAT(shop.Run({kTool, "measure", "-O", "raw", "box.ova"}), HasSubstr("8388608"));
}

TEST(OvaTool, WantsToBeToldWhichOfSeveralDisks) {
  const Workshop shop;
  shop.Run({"sh", "-c", "cp disk.raw a.raw; truncate -s 1M b.raw"});
  const std::string raw = "http://en.wikipedia.org/wiki/Byte";
  shop.Write(
      "box.ovf",
      VmwareOvf({R"(<File ovf:id="f1" ovf:href="a.raw"/><File ovf:id="f2" ovf:href="b.raw"/>)",
                 fmt::format(R"(<Disk ovf:diskId="one" ovf:fileRef="f1" ovf:capacity="8388608" ovf:format="{0}"/>)"
                             R"(<Disk ovf:diskId="two" ovf:fileRef="f2" ovf:capacity="1048576" ovf:format="{0}"/>)"
                             R"(<Disk ovf:diskId="empty" ovf:capacity="5"/>)",
                             raw)}));
  shop.Run({"tar", "-cf", "box.ova", "box.ovf", "a.raw", "b.raw"});
  for (const char* archive : {"box.ova", "box.ovf"}) {
    const CommandResult silent = shop.Try({kTool, "convert", archive, "out.raw"});
    EXPECT_EQ(silent.exit_code, 1);
    EXPECT_THAT(silent.err, HasSubstr("1 (one, a.raw), 2 (two, b.raw), 3 (empty, without a file)"));
    for (const char* disk : {"1", "one", "a.raw"}) {
      shop.Run({kTool, "convert", "--disk", disk, archive, "out.raw"});
      shop.Run({"cmp", "out.raw", "disk.raw"});
    }
    shop.Run({kTool, "convert", "--disk=two", archive, "out.raw"});
    shop.Run({"cmp", "out.raw", "b.raw"});
    EXPECT_THAT(shop.Try({kTool, "convert", "--disk=4", archive, "out.raw"}).err, HasSubstr("no disk of that number"));
    EXPECT_THAT(shop.Try({kTool, "convert", "--disk=3", archive, "out.raw"}).err, HasSubstr("starts empty"));
    EXPECT_THAT(shop.Run({kTool, "info", archive}), HasSubstr("disk 3: empty"));
  }
  EXPECT_THAT(shop.Try({kTool, "map", "--disk=1", "disk.raw"}).err, HasSubstr("--disk is for containers"));
}

// As libvirt and qemu keep chains: each layer a file of its own, of which the descriptor says what lies below.
struct Layered {
  std::string name;
  std::string format;  // qemu's word
  bool qemu_writes;    // layers of it
  std::string uri;
};
void PrintTo(const Layered& layered, std::ostream* out) { *out << layered.name; }

class LayeredOva : public testing::TestWithParam<Layered> {
 protected:
  // base and child in a folder, the child with what it has of its own; disk.raw as it is to be read.
  void MakeLayers() {
    const std::string& format = GetParam().format;
    const std::vector<std::string> writes = {"-c", "write -P 0x5a 4M 1M", "-c", "write -P 0x6b 64k 64k"};
    const auto write = [&](const std::string& file, const std::string& as) {
      std::vector<std::string> command = {"qemu-io", "-f", as, file};
      command.insert(command.begin() + 1, writes.begin(), writes.end());
      shop_.Run(command);
    };
    shop_.Run({"qemu-img", "convert", "-O", format, "disk.raw", "base"});
    write("disk.raw", "raw");
    if (GetParam().qemu_writes) {
      shop_.Run({"qemu-img", "create", "-q", "-f", format, "-b", "base", "-F", format, "child"});
      write("child", format);
    } else {
      shop_.Run({kTool, "convert", "-O", format, "-B", "base", "-F", format, "disk.raw", "child"});
    }
  }
  void WriteDescriptor(const std::string& parent = "lower") {
    shop_.Write("box.ovf", VmwareOvf({R"(<File ovf:id="f1" ovf:href="child"/><File ovf:id="f2" ovf:href="base"/>)",
                                      fmt::format(R"(<Disk ovf:diskId="upper" ovf:fileRef="f1" ovf:capacity="8388608" )"
                                                  R"(ovf:parentRef="{1}" ovf:format="{0}"/>)"
                                                  R"(<Disk ovf:diskId="lower" ovf:fileRef="f2" ovf:capacity="8388608" )"
                                                  R"(ovf:format="{0}"/>)",
                                                  GetParam().uri, parent)}));
    shop_.Run({"tar", "-cf", "box.ova", "box.ovf", "child", "base"});
  }

  Workshop shop_;
};

TEST_P(LayeredOva, IsReadAsAChain) {
  MakeLayers();
  WriteDescriptor();
  // Under the names that they have in the archive there is nothing any more.
  shop_.Run({"mkdir", "away"});
  shop_.Run({"mv", "box.ova", "away"});
  shop_.Run({kTool, "convert", "--disk", "upper", "-O", "raw", "away/box.ova", "out.raw"});
  shop_.Run({"cmp", "out.raw", "disk.raw"});
  shop_.Run({kTool, "compare", "--disk", "upper", "box.ovf", "disk.raw"});
  const std::string info = shop_.Run({kTool, "info", "away/box.ova"});
  EXPECT_THAT(info, HasSubstr("parent: lower"));
  // Judged as an upload it stays what it is: a disk that is not whole without another one.
  EXPECT_EQ(shop_.Try({kTool, "inspect", "away/box.ova"}).exit_code, 1);
}

TEST_P(LayeredOva, WithAnotherParentIsRefusedWhereTheLayerKnowsIts) {
  MakeLayers();
  shop_.Run({"qemu-img", "create", "-q", "-f", GetParam().format, "base", "8M"});
  WriteDescriptor();
  const CommandResult result = shop_.Try({kTool, "convert", "--disk", "1", "-O", "raw", "box.ova", "out.raw"});
  // A qcow2 image knows its backing file by name alone.
  EXPECT_EQ(result.exit_code, GetParam().format == "qcow2" ? 0 : 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(result.exit_code == 0 ? "" : "not the backing file"));
}

INSTANTIATE_TEST_SUITE_P(
    Formats, LayeredOva,
    testing::Values(Layered{"Vmdk", "vmdk", true, "http://www.vmware.com/interfaces/specifications/vmdk.html#sparse"},
                    Layered{"Qcow2", "qcow2", true, "http://www.gnome.org/~markmc/qcow-image-format.html"},
                    Layered{"Vhd", "vpc", false, "http://technet.microsoft.com/en-us/library/bb676673.aspx"}),
    [](const auto& row) { return row.param.name; });

TEST(LayeredOva, ThatNamesAFileOfTheHostIsRefused) {
  const Workshop shop;
  shop.Run({"sh", "-c",
            "qemu-img create -q -u -f qcow2 -b /etc/passwd -F raw base 8M && "
            "qemu-img create -q -u -f qcow2 -b base -F qcow2 child 8M"});
  const std::string qcow2 = "http://www.gnome.org/~markmc/qcow-image-format.html";
  shop.Write("box.ovf", VmwareOvf({R"(<File ovf:id="f1" ovf:href="child"/><File ovf:id="f2" ovf:href="base"/>)",
                                   fmt::format(R"(<Disk ovf:diskId="a" ovf:fileRef="f1" ovf:capacity="8388608" )"
                                               R"(ovf:parentRef="b" ovf:format="{0}"/><Disk ovf:diskId="b" )"
                                               R"(ovf:fileRef="f2" ovf:capacity="8388608" ovf:format="{0}"/>)",
                                               qcow2)}));
  shop.Run({"tar", "-cf", "box.ova", "box.ovf", "child", "base"});
  const CommandResult result = shop.Try({kTool, "convert", "--disk", "1", "-O", "raw", "box.ova", "out.raw"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("is not allowed here"));
  // Raw disks have no layers.
  shop.Run({"sh", "-c",
            "cp disk.raw child; sed -i 's,http://www.gnome.org/~markmc/qcow-image-format.html,wiki/Byte,' "
            "box.ovf; tar -cf box.ova box.ovf child base"});
  EXPECT_THAT(shop.Try({kTool, "convert", "--disk", "1", "-O", "raw", "box.ova", "out.raw"}).err,
              HasSubstr("in a format without layers"));
}

// Out of a pipe: descriptor first, and disks whose tables lie in front of what they lead to, or that can be read as
// they pass by.
struct Piped {
  std::string name;
  std::string prepare;  // shell words in a folder with disk.raw
  std::string uri;
  std::string error = "";  // of what cannot be read so
};
void PrintTo(const Piped& piped, std::ostream* out) { *out << piped.name; }

const std::string kTarPiped = "tar --format=ustar -cf box.ova box.ovf box-disk1";
const std::string kQcow2 = "http://www.gnome.org/~markmc/qcow-image-format.html";
const std::string kVhd = "http://technet.microsoft.com/en-us/library/bb676673.aspx";
const std::string kSame = "qemu-img convert -O ";

const std::vector<Piped> kPiped = {
    {"StreamOptimized", kTool + " convert -O vmdk -o subformat=streamOptimized disk.raw box-disk1; " + kTarPiped,
     kVmdk},
    {"OurOwnAppliance", kTool + " convert -O ova disk.raw box.ova", kVmdk},
    {"StreamOptimizedOfQemu", kSame + "vmdk -o subformat=streamOptimized disk.raw box-disk1; " + kTarPiped, kVmdk},
    {"Sparse", kSame + "vmdk disk.raw box-disk1; " + kTarPiped, kVmdk},
    {"Qcow2", kSame + "qcow2 disk.raw box-disk1; " + kTarPiped, kQcow2},
    {"Raw", "cp disk.raw box-disk1; " + kTarPiped, kRaw},
    {"VhdDynamic", kSame + "vpc -o force_size=on disk.raw box-disk1; " + kTarPiped, kVhd},
    {"Vdi", kSame + "vdi disk.raw box-disk1; " + kTarPiped, "vdi"},
    {"Pax", "cp disk.raw box-disk1; tar --format=pax -cf box.ova box.ovf box-disk1", kRaw},
    {"AnotherFileBetween", "cp disk.raw box-disk1; tar --format=ustar -cf box.ova box.ovf disk.raw box-disk1", kRaw},
    {"DiskFirst", "cp disk.raw box-disk1; tar -cf box.ova box-disk1 box.ovf", kRaw, "has passed by"},
    {"LargeFileFirst", "truncate -s 80M large; cp disk.raw box-disk1; tar -cf box.ova large box.ovf box-disk1", kRaw,
     "stands in front of the descriptor"},
    {"InChunks", "cp disk.raw box-disk1; " + Divided("2097152", "box-disk1.*"), kRaw, "in chunks"},
    {"Gzip", "gzip -c disk.raw > box-disk1; sed -i 's,<File ,<File ovf:compression=\"gzip\" ,' box.ovf; " + kTarPiped,
     kRaw, "compressed ones are not read"},
    {"TablesBehind",
     "head -c 100M /dev/urandom > large; " + kTool + " convert -O qcow2 large box-disk1; rm large; " + kTarPiped,
     kQcow2, "in an order in which a pipe does not give it"},
    {"NoTar", "cp disk.raw box.ova", kRaw, "not a tar archive"},
    {"NoDescriptor", "tar -cf box.ova disk.raw", kRaw, "no member is a descriptor"},
    {"Empty", ": > box.ova", kRaw, "not a tar archive"},
    {"NoDisk", "tar -cf box.ova box.ovf", kRaw, "not in the archive"},
    {"CutInTheDisk", "cp disk.raw box-disk1; " + kTarPiped + "; truncate -s 7000000 box.ova", kRaw, "ended early"},
    {"CutStream",
     kTool + " convert -O vmdk -o subformat=streamOptimized disk.raw box-disk1; " + kTarPiped +
         "; truncate -s 3000000 box.ova",
     kVmdk, "ended early"},
    {"TwoOfItsName", "cp disk.raw box-disk1; " + kTarPiped + "; echo > box-disk1; tar -rf box.ova box-disk1", kRaw,
     "two members of one name"},
    {"DecodedAndLiteralName",
     "sed -i 's/\"box-disk1\"/\"box%2Ddisk1\"/' box.ovf; cp disk.raw box-disk1; cp disk.raw box%2Ddisk1; "
     "tar -cf box.ova box.ovf box-disk1 box%2Ddisk1",
     kRaw, "under its name as it stands"},
    {"LiteralNameFirst",
     "sed -i 's/\"box-disk1\"/\"box%2Ddisk1\"/' box.ovf; cp disk.raw box-disk1; cp disk.raw box%2Ddisk1; "
     "tar -cf box.ova box.ovf box%2Ddisk1 box-disk1",
     kRaw, "under its name as it stands"},
    {"DecodedName", "sed -i 's/\"box-disk1\"/\"box%2Ddisk1\"/' box.ovf; cp disk.raw box-disk1; " + kTarPiped, kRaw},
    {"TwoDescriptors", "cp disk.raw box-disk1; cp box.ovf b.ovf; tar -cf box.ova box.ovf box-disk1 b.ovf", kRaw,
     "more than one descriptor"},
    {"SparseMember",
     "rm -f box-disk1; truncate -s 1M box-disk1; echo x >> box-disk1; tar -S -cf box.ova box.ovf box-disk1", kRaw,
     "sparse file"},
    {"Link", "ln -s /etc/passwd box-disk1; " + kTarPiped, kRaw, "no plain file"},
    {"BackingFile", "qemu-img create -q -u -f qcow2 -b /etc/passwd -F raw box-disk1 1M; " + kTarPiped, kQcow2,
     "is not allowed here"},
};

class PipedOva : public testing::TestWithParam<Piped> {};

TEST_P(PipedOva, IsReadAsItPassesBy) {
  const Workshop shop;
  shop.Write("box.ovf", OneDiskOvf("box-disk1", "8", "byte * 2^20", GetParam().uri));
  shop.Run({"sh", "-c", GetParam().prepare});
  const CommandResult result = shop.Try({"sh", "-c", "cat box.ova | " + kTool + " convert - -O qcow2 out.qcow2"});
  EXPECT_THAT(result.err, HasSubstr(GetParam().error));
  EXPECT_EQ(result.exit_code, GetParam().error.empty() ? 0 : 1) << result.err;
  EXPECT_EQ(std::filesystem::exists(shop.File("out.qcow2")), GetParam().error.empty());
  if (!GetParam().error.empty()) return;
  shop.Run({"qemu-img", "compare", "-f", "qcow2", "-F", "raw", "out.qcow2", "disk.raw"});
}

INSTANTIATE_TEST_SUITE_P(Pipes, PipedOva, testing::ValuesIn(kPiped), [](const auto& row) { return row.param.name; });

// More than is held of a pipe, by several threads, each of the formats that grow while they pass by.
TEST(PipedOva, MayBeLongerThanWhatIsHeld) {
  const Workshop shop;
  shop.Run({"sh", "-c", "head -c 150M /dev/urandom > disk.raw && truncate -s 200M disk.raw"});
  for (const std::string& format : {std::string("ova"), std::string("qcow2")}) {
    if (format == "ova") {
      shop.Run({kTool, "convert", "-O", "ova", "disk.raw", "box.ova"});
    } else {
      shop.Run({"qemu-img", "convert", "-O", "qcow2", "disk.raw", "box-disk1"});
      shop.Write("box.ovf", OneDiskOvf("box-disk1", "200", "byte * 2^20", kQcow2));
      shop.Run({"sh", "-c", kTarPiped});
    }
    shop.Run({"sh", "-c", "cat box.ova | " + kTool + " convert -m 4 - -O raw out.raw"});
    shop.Run({"cmp", "out.raw", "disk.raw"});
  }
}

// A stream whose tables say something else than its grains do.
TEST(PipedOva, RefusesStreamsThatContradictThemselves) {
  const Workshop shop;
  shop.Run({"sh", "-c", kTool + " convert -O vmdk -o subformat=streamOptimized disk.raw box-disk1"});
  shop.Write("box.ovf", OneDiskOvf("box-disk1", "8", "byte * 2^20", kVmdk));
  const std::string disk = shop.Run({"cat", "box-disk1"});
  const auto entry = [](std::uint32_t sector) {
    std::string bytes(4, '\0');
    for (int at = 0; at < 4; ++at) bytes[static_cast<std::size_t>(at)] = static_cast<char>(sector >> (8 * at));
    return bytes;
  };
  // The marker in front of a table: four sectors, no data, type 1. The first grain lies at sector 128.
  const std::size_t marker = disk.find(entry(4) + entry(0) + entry(0) + entry(1));
  ASSERT_NE(marker, std::string::npos);
  const std::size_t table = marker + 512;
  ASSERT_EQ(disk.substr(table, 4), entry(128));
  const std::vector<std::pair<std::size_t, std::string>> changes = {
      {table, entry(0)}, {table, entry(129)}, {128 * 512, entry(128)}, {128 * 512 + 8, entry(0x7FFFFFFF)}};
  for (const auto& [at, bytes] : changes) {
    std::string changed = disk;
    changed.replace(at, bytes.size(), bytes);
    shop.Write("box-disk1", changed);
    shop.Run({"sh", "-c", kTarPiped});
    const CommandResult result = shop.Try({"sh", "-c", "cat box.ova | " + kTool + " convert - -O raw out.raw"});
    EXPECT_EQ(result.exit_code, 1) << at;
    EXPECT_THAT(result.err, HasSubstr("VMDK stream")) << at;
  }
}

TEST(PipedOva, IsNamedWhereNothingElseIsRead) {
  const Workshop shop;
  EXPECT_THAT(shop.Try({kTool, "convert", "-f", "qcow2", "-", "-O", "raw", "out.raw"}).err,
              HasSubstr("of the standard input an OVA is read"));
  shop.Run({"ln", "-s", kTool, "qemu-img"});
  EXPECT_THAT(shop.Try({"./qemu-img", "convert", "-", "-O", "raw", "out.raw"}).err, HasSubstr("No such file"));
}

TEST(OvaTool, IsARawFileToQemu) {
  const Workshop shop;
  shop.MakeStreamOptimized();
  shop.Run({"sh", "-c", kGnuTar + "; ln -s " + kTool + " qemu-img"});
  EXPECT_EQ(shop.Run({"./qemu-img", "info", "box.ova"}), shop.Run({"qemu-img", "info", "box.ova"}));
  EXPECT_EQ(shop.Try({"./qemu-img", "convert", "--disk", "1", "box.ova", "out"}).exit_code, 1);
  EXPECT_THAT(shop.Run({kTool, "info", "-f", "raw", "box.ova"}), HasSubstr("file format: raw"));
  EXPECT_THAT(shop.Run({kTool, "info", "-f", "ova", "box.ova"}), HasSubstr("container: ova"));
}

struct Refused {
  std::string name;
  std::string prepare;  // shell words in a folder with box.ovf and box-disk1 (raw)
  std::string error;
};
void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.name; }

// With the size of the whole file in the descriptor; the archive is still to be made.
std::string SizeSaid() {
  return "sed -i 's,<File ,<File ovf:size=\"8388608\" ,' box.ovf; " + Divided("2097152", "box-disk1.*") + "; ";
}

// A reference that is the name of one file as it stands, and of another once it is decoded.
const std::string kEncoded = "sed -i 's,href=\"box-disk1,href=\"%62ox-disk1,' box.ovf; cp box-disk1 %62ox-disk1";

const std::vector<Refused> kRefused = {
    {"HrefOutside", "sed -i 's,href=\"box-disk1,href=\"../disk.raw,' box.ovf; cp box-disk1 ../ 2>/dev/null; " + kGnuTar,
     "out of the descriptor's folder"},
    {"HrefOfTheHost", "sed -i 's,href=\"box-disk1,href=\"/etc/passwd,' box.ovf; " + kGnuTar,
     "out of the descriptor's folder"},
    {"HrefOfTheNetwork", "sed -i 's,href=\"box-disk1,href=\"http://localhost/a,' box.ovf; " + kGnuTar,
     "leads to another place"},
    {"MissingFile", "tar -cf box.ova box.ovf", "not in the archive"},
    {"TwoOfItsName", kGnuTar + "; cp box.ovf box-disk1; tar --format=ustar -rf box.ova box-disk1", "two of its name"},
    {"EncodedNameOfTwo", kEncoded + "; tar -cf box.ova box.ovf box-disk1 %62ox-disk1", "as it is decoded"},
    {"EncodedNameInChunks",
     kEncoded + "; sed -i 's,<File ,<File ovf:chunkSize=\"8388608\" ,' box.ovf; mv box-disk1 box-disk1.000000000; "
                "mv %62ox-disk1 %62ox-disk1.000000000; tar -cf box.ova box.ovf box-disk1.* %62ox-disk1.*",
     "as it is decoded"},
    {"SymbolicLink", "ln -sf /etc/passwd box-disk1; " + kGnuTar, "no plain file"},
    {"SparseFile", "rm box-disk1; truncate -s 1M box-disk1; echo x >> box-disk1; tar -S -cf box.ova box.ovf box-disk1",
     "no plain file"},
    {"TwoDescriptors", "cp box.ovf b.ovf; tar -cf box.ova box.ovf b.ovf box-disk1", "more than one descriptor"},
    {"NoDescriptorInside", "echo text > box.ovf; " + kGnuTar, "not well-formed"},
    {"OtherXmlInside", "echo '<a/>' > box.ovf; " + kGnuTar, "called a descriptor and is none"},
    {"NotTheFormatThatIsSaid", "sed -i 's,wiki/Byte,vmdk,' box.ovf; " + kGnuTar, "not in the format"},
    {"Compressed", "sed -i 's,<File ,<File ovf:compression=\"gzip\" ,' box.ovf; " + kGnuTar, "not a gzip stream"},
    {"NotDivided", "sed -i 's,<File ,<File ovf:chunkSize=\"512\" ,' box.ovf; " + kGnuTar,
     "a chunk of the file is missing"},
    {"ChunkMissing", SizeSaid() + "rm box-disk1.000000002; tar -cf box.ova box.ovf box-disk1.*",
     "chunk of the file is missing"},
    {"LastChunkMissing", Divided("2097152", "box-disk1.00000000[012]"), "the last ones are missing"},
    {"ChunkTooLong", Divided("2097152", "a") + "; echo >> box-disk1.000000001; tar -cf box.ova box.ovf box-disk1.*",
     "not as long as is said"},
    {"LastChunkTooLong", Divided("2097152", "a") + "; echo >> box-disk1.000000003; tar -cf box.ova box.ovf box-disk1.*",
     "not as long as is said"},
    {"ChunkTooShort",
     Divided("2097152", "a") + "; truncate -s 4 box-disk1.000000001; tar -cf box.ova box.ovf box-disk1.*",
     "not as long as is said"},
    {"OneChunkMore", SizeSaid() + "echo > box-disk1.000000004; tar -cf box.ova box.ovf box-disk1.*",
     "more chunks than the file's size takes"},
    {"TwoChunksOfOneName", Divided("2097152", "box-disk1.*") + "; tar -rf box.ova box-disk1.000000001",
     "two chunks of one name"},
    {"ChunkThatIsALink",
     Divided("2097152", "a") + "; ln -sf /etc/passwd box-disk1.000000001; tar -cf box.ova box.ovf box-disk1.*",
     "no plain file"},
    {"ChunksOfNothing", "sed -i 's,<File ,<File ovf:chunkSize=\"0\" ,' box.ovf; " + kGnuTar, "chunks of nothing"},
    {"MillionsOfChunks", "sed -i 's,<File ,<File ovf:chunkSize=\"1\" ovf:size=\"8388608\" ,' box.ovf; " + kGnuTar,
     "too many chunks"},
    {"CutShort", kGnuTar + "; truncate -s 1M box.ova", "past the archive's end"},
    {"BackingFileOfTheHost",
     "qemu-img create -q -f qcow2 -b /etc/passwd -F raw box-disk1 2>/dev/null; sed -i 's,wiki/Byte,qcow,' box.ovf; " +
         kGnuTar,
     "is not allowed here"},
};

class RefusedOva : public testing::TestWithParam<Refused> {};

TEST_P(RefusedOva, NamesTheReason) {
  const Workshop shop;
  shop.MakeDisk("raw", "", "http://en.wikipedia.org/wiki/Byte");
  shop.Run({"sh", "-c", GetParam().prepare});
  const CommandResult result = shop.Try({kTool, "convert", "-O", "qcow2", "box.ova", "out.qcow2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr(GetParam().error));
  EXPECT_FALSE(std::filesystem::exists(shop.File("out.qcow2")));
}

INSTANTIATE_TEST_SUITE_P(Hostile, RefusedOva, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST(OvfFolder, HasOneFileOfAnEncodedName) {
  const Workshop shop;
  shop.MakeDisk("raw", "", kRaw);
  shop.Run({"sh", "-c", kEncoded});
  const CommandResult result = shop.Try({kTool, "convert", "-O", "qcow2", "box.ovf", "out.qcow2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("as it is decoded"));
  shop.Run({"rm", "%62ox-disk1"});
  shop.Run({kTool, "convert", "-O", "qcow2", "box.ovf", "out.qcow2"});
  shop.Run({"qemu-img", "compare", "box-disk1", "out.qcow2"});
}

// Beside a bare descriptor the manifest is a list like any other.
TEST(OvfManifest, IsAListOfDigests) {
  const Workshop shop;
  shop.MakeDisk("raw", "", kRaw);
  shop.Run(
      {"sh", "-c", "for f in box.ovf box-disk1; do echo \"SHA256($f)= $(sha256sum $f | cut -c1-64)\"; done > box.mf"});
  EXPECT_EQ(shop.Run({kTool, "hash", "--check", "box.mf"}), "box.ovf: OK\nbox-disk1: OK\n");
  shop.Run({"sh", "-c", "echo >> box-disk1"});
  EXPECT_EQ(shop.Try({kTool, "hash", "--check", "box.mf"}).exit_code, 1);
}

TEST(OvaMade, IsWhatOtherToolsRead) {
  const Workshop shop;
  shop.Run({kTool, "convert", "-O", "ova", "-o", "name=my box,cpus=4,memory=2G,os=Debian <12>,network=a&b,firmware=efi",
            "disk.raw", "out.ova"});
  EXPECT_EQ(shop.Run({"tar", "-tf", "out.ova"}), "my box.ovf\nmy box.mf\nmy box-disk1.vmdk\n");
  shop.Run({"7zz", "t", "-ttar", "out.ova"});
  shop.Run({"bsdtar", "-xf", "out.ova"});
  shop.Run({"qemu-img", "compare", "-f", "vmdk", "-F", "raw", "my box-disk1.vmdk", "disk.raw"});
  // What the manifest says, as sha256sum --check wants it.
  shop.Run({"sh", "-c",
            "sed 's/SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' 'my box.mf' > sums && test $(wc -l < sums) = 2 && "
            "sha256sum --check --strict sums"});
  // The descriptor is well-formed to another parser, and says the disk's size.
  EXPECT_EQ(
      shop.Run({"python3", "-c",
                "import xml.etree.ElementTree as e; r = e.parse('my box.ovf').getroot();"
                "n = '{http://schemas.dmtf.org/ovf/envelope/1}'; import os;"
                "f = r.find(f'{n}References/{n}File');"
                "print(os.path.getsize(f.get(n + 'href')) == int(f.get(n + 'size')),"
                "r.find(f'{n}DiskSection/{n}Disk').get(n + 'capacity'), r.find(f'{n}NetworkSection/{n}Network').get(n "
                "+ 'name'))"}),
      "True 8388608 a&b\n");
  const std::string info = shop.Run({kTool, "info", "out.ova"});
  for (const char* line : {"machine: my box", "operating system: Debian <12>", "processors: 4", "memory: 2 GiB"}) {
    EXPECT_THAT(info, HasSubstr(line));
  }
  shop.Run({kTool, "inspect", "--expect-container", "ova", "--expect-disk", "vmdk", "--depth", "full", "out.ova"});
  shop.Run({kTool, "compare", "out.ova", "disk.raw"});
}

// virt-v2v, which imports appliances, reads the machine that was asked for.
TEST(OvaMade, IsWhatVirtV2vReads) {
  const Workshop shop;
  shop.Run({kTool, "convert", "-O", "ova", "--name", "a, b", "--cpus=3", "--memory", "2G", "--os", "debian12",
            "--network", "lan", "--firmware=efi", "disk.raw", "out.ova"});
  const std::string source = shop.Run({"env", "HOME=" + shop.File(""), "TMPDIR=" + shop.File(""), "virt-v2v",
                                       "--print-source", "-i", "ova", "out.ova"});
  for (const char* line : {"source name: a, b", "nr vCPUs: 3", "memory: 2147483648", "firmware: uefi", "\"lan\""}) {
    EXPECT_THAT(source, HasSubstr(line));
  }
}

TEST(OvaMade, RefusesWhatItCannotSay) {
  const Workshop shop;
  for (const char* options :
       {"cpus=0", "cpus=x", "memory=1k", "firmware=uefi", "name=a/b", "name=", "name=.hidden", "name=file:x",
        "name=caf\xE9", "os=caf\xE9", "network=\xED\xA0\x80", "network=a\nb", "subformat=monolithicFlat"}) {
    const CommandResult result = shop.Try({kTool, "convert", "-O", "ova", "-o", options, "disk.raw", "out.ova"});
    EXPECT_EQ(result.exit_code, 1) << options;
    EXPECT_FALSE(std::filesystem::exists(shop.File("out.ova"))) << options;
  }
  EXPECT_EQ(shop.Try({kTool, "convert", "-O", "ova", "-B", "disk.raw", "-F", "raw", "disk.raw", "out.ova"}).exit_code,
            1);
  EXPECT_EQ(shop.Try({"sh", "-c", kTool + " convert -O ova disk.raw /dev/stdout | cat; exit 0"}).out, "");
  EXPECT_THAT(shop.Run({kTool, "convert", "-O", "ova", "-o", "help"}), HasSubstr("firmware=<str>"));
  shop.Run({"ln", "-s", kTool, "qemu-img"});
  EXPECT_THAT(shop.Try({"./qemu-img", "convert", "-O", "ova", "disk.raw", "out.ova"}).err,
              HasSubstr("Unknown file format"));
}

// The name of the file is the machine's, as far as it is text.
TEST(OvaMade, TakesItsNameFromAnyFile) {
  const Workshop shop;
  const std::vector<std::pair<std::string, std::string>> names = {{"caf\xE9.ova", "caf_"},
                                                                  {"caf\xC3\xA9.ova", "caf\xC3\xA9"},
                                                                  {"a\x01"
                                                                   "b\xC3.ova",
                                                                   "a_b_"}};
  for (const auto& [file, name] : names) {
    shop.Run({kTool, "convert", "-O", "ova", "disk.raw", file});
    EXPECT_THAT(shop.Run({kTool, "info", file}), HasSubstr("machine: " + name + "\n"));
    shop.Run({kTool, "compare", file, "disk.raw"});
  }
}

TEST(OvfMade, IsWhatOtherToolsRead) {
  const Workshop shop;
  shop.Run({"mkdir", "out"});
  shop.Run({kTool, "convert", "-O", "ovf", "--name", "my box", "--cpus=3", "--memory", "2G", "-o",
            "os=Debian <12>,network=lan,firmware=efi", "disk.raw", "out/b&x.ovf"});
  EXPECT_EQ(shop.Run({"ls", "out"}), "b&x-disk1.vmdk\nb&x.mf\nb&x.ovf\n");
  shop.Run({"qemu-img", "compare", "-f", "vmdk", "-F", "raw", "out/b&x-disk1.vmdk", "disk.raw"});
  EXPECT_EQ(shop.Run({"sh", "-c", "cd out && " + kTool + " hash --check 'b&x.mf'"}),
            "b&x.ovf: OK\nb&x-disk1.vmdk: OK\n");
  shop.Run(
      {"sh", "-c",
       "cd out && sed 's/SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' 'b&x.mf' > ../sums && test $(wc -l < ../sums) = 2 && "
       "sha256sum --check --strict ../sums"});
  shop.Run({kTool, "compare", "out/b&x.ovf", "disk.raw"});
  const std::string info = shop.Run({kTool, "info", "out/b&x.ovf"});
  for (const char* line : {"machine: my box", "operating system: Debian <12>", "processors: 3", "memory: 2 GiB"}) {
    EXPECT_THAT(info, HasSubstr(line));
  }
  const std::string source = shop.Run(
      {"env", "HOME=" + shop.File(""), "TMPDIR=" + shop.File(""), "virt-v2v", "--print-source", "-i", "ova", "out"});
  for (const char* line : {"source name: my box", "nr vCPUs: 3", "memory: 2147483648", "firmware: uefi", "\"lan\""}) {
    EXPECT_THAT(source, HasSubstr(line));
  }
  // The same files in an archive are an appliance, too.
  shop.Run({"tar", "--format=ustar", "-C", "out", "-cf", "box.ova", "b&x.ovf", "b&x.mf", "b&x-disk1.vmdk"});
  shop.Run({kTool, "inspect", "--expect-container", "ova", "--expect-disk", "vmdk", "--depth", "full", "box.ova"});
}

// Compressed grains pass as they are, and digests are those of the disk.
TEST(OvfMade, TakesWhatAnOvaTakes) {
  const Workshop shop;
  shop.Run({kTool, "convert", "-O", "ovf", "--compression-level", "9", "disk.raw", "one.ovf"});
  const std::string digest = shop.Run({kTool, "convert", "-O", "ovf", "--digest", "sha256", "one.ovf", "two.ovf"});
  EXPECT_THAT(digest, HasSubstr(shop.Run({"sha256sum", "disk.raw"}).substr(0, 64)));
  shop.Run({kTool, "convert", "-O", "ovf", "one.ovf", "three.ovf"});
  EXPECT_EQ(std::filesystem::file_size(shop.File("three-disk1.vmdk")),
            std::filesystem::file_size(shop.File("one-disk1.vmdk")));
  for (const char* name : {"one.ovf", "two.ovf", "three.ovf"}) shop.Run({kTool, "compare", name, "disk.raw"});
}

TEST(OvfMade, RefusesWhatItCannotSay) {
  const Workshop shop;
  for (const char* options :
       {"cpus=0", "firmware=uefi", "name=", "name=caf\xE9", "network=a\nb", "subformat=monolithicFlat"}) {
    EXPECT_EQ(shop.Try({kTool, "convert", "-O", "ovf", "-o", options, "disk.raw", "out.ovf"}).exit_code, 1) << options;
    EXPECT_EQ(shop.Run({"ls"}), "disk.raw\n") << options;
  }
  for (const char* target : {"out", "out.mf", ".ovf", "a%20b.ovf", "a\nb.ovf", "caf\xE9.ovf"}) {
    EXPECT_EQ(shop.Try({kTool, "convert", "-O", "ovf", "disk.raw", target}).exit_code, 1) << target;
    EXPECT_EQ(shop.Run({"ls"}), "disk.raw\n") << target;
  }
  EXPECT_EQ(shop.Try({kTool, "convert", "-n", "-O", "ovf", "disk.raw", "disk.raw"}).exit_code, 1);
  EXPECT_EQ(shop.Try({"sh", "-c", kTool + " convert -O ovf disk.raw /dev/stdout | cat; exit 0"}).out, "");
  EXPECT_THAT(shop.Run({kTool, "convert", "-O", "ovf", "-o", "help"}), HasSubstr("firmware=<str>"));
}

// Files that the user did not name stay as they are, and so does the descriptor that is there.
TEST(OvfMade, WritesOnNoOtherFile) {
  const Workshop shop;
  shop.Run({"sh", "-c", "echo descriptor > box.ovf"});
  for (const char* beside : {"box-disk1.vmdk", "box.mf"}) {
    for (const std::string& make : {std::string("echo text > "), std::string("ln -s nowhere ")}) {
      shop.Run({"sh", "-c", make + beside});
      const CommandResult result = shop.Try({kTool, "convert", "-O", "ovf", "disk.raw", "box.ovf"});
      EXPECT_EQ(result.exit_code, 1);
      EXPECT_THAT(result.err, HasSubstr("is there already"));
      EXPECT_THAT(result.err, HasSubstr(beside));
      EXPECT_EQ(shop.Run({"cat", "box.ovf"}), "descriptor\n");
      EXPECT_FALSE(std::filesystem::exists(shop.File("nowhere")));
      shop.Run({"rm", beside});
    }
  }
  shop.Run({kTool, "convert", "-O", "ovf", "disk.raw", "box.ovf"});
  shop.Run({kTool, "compare", "box.ovf", "disk.raw"});
  // A disk that cannot be written takes all of it away again.
  shop.Run({"cp", "disk.raw", "bad.qcow2"});
  EXPECT_EQ(shop.Try({kTool, "convert", "-f", "qcow2", "-O", "ovf", "bad.qcow2", "bad.ovf"}).exit_code, 1);
  EXPECT_EQ(shop.Try({"sh", "-c", "ulimit -f 8; trap '' XFSZ; exec " + kTool + " convert -O ovf disk.raw full.ovf"})
                .exit_code,
            1);
  EXPECT_EQ(shop.Run({"sh", "-c", "ls -d bad* full*; exit 0"}), "bad.qcow2\n");
}

// Every write of each of the files failing once: nothing that looks like an appliance is left.
TEST(OvfMade, FaultsComeThrough) {
  const ContainerDriver& ovf = *FindContainer("ovf");
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const GuestDisk disk{2 * kMiB, {{0, kMiB, GuestRange::Kind::kText, 1}, {kMiB, kMiB, GuestRange::Kind::kHole}}};
  std::uint64_t failures = 0;
  for (const std::string& broken : {std::string("b.ovf"), std::string("./b-disk1.vmdk"), std::string("./b.mf")}) {
    for (std::uint64_t failed = 0;; ++failed, ++failures) {
      const auto make = [&](const std::string& name) {
        return std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>(name),
                                               name == broken ? FaultPlan{.fail_write = failed} : FaultPlan{});
      };
      CreateRequest request;
      request.storage = make("b.ovf");
      request.virtual_size = disk.size;
      request.open_side_file = [&](const Reference& wanted) -> Result<std::shared_ptr<Storage>> {
        return std::shared_ptr<Storage>(make(wanted.text));
      };
      const std::shared_ptr<Storage> target = request.storage;
      auto writer = ovf.create(request, *FindFormat("vmdk"));
      const auto done = writer.ok() ? WriteThrough(*writer.value(), disk) : Result<>(std::move(writer).error());
      const bool looks = ProbeContainer(target).value() != nullptr;
      EXPECT_EQ(looks, done.ok()) << broken << failed;
      if (done.ok()) break;
      EXPECT_EQ(done.error().kind(), ErrorKind::kIo) << broken << failed;
    }
  }
  EXPECT_GE(failures, 5U);
}

// Every read failing once, and every write of a new archive: the host's error comes through, and nothing else.
TEST(OvaFaults, ComeThrough) {
  const std::string disk(4096, 'x');
  const std::string raw = "http://en.wikipedia.org/wiki/Byte";
  const auto archive = std::make_shared<MemoryStorage>(
      "a.ova", AsBytes(TarArchive({TarMember({.name = "box.ovf", .content = OneDiskOvf("disk", "4096", "", raw)}),
                                   TarMember({.name = "disk", .content = disk})})));
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  std::uint64_t failed = 0;
  for (;; ++failed) {
    const auto faulty = std::make_shared<FaultyStorage>(archive, FaultPlan{.fail_read = failed});
    const auto container = FindContainer("ova")->open(faulty, context);
    if (container.ok()) break;
    EXPECT_EQ(container.error().kind(), ErrorKind::kIo) << failed;
  }
  EXPECT_GE(failed, 4U);
  const ContainerDriver& ova = *FindContainer("ova");
  for (failed = 0;; ++failed) {
    const auto target =
        std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("b.ova"), FaultPlan{.fail_write = failed});
    CreateRequest request;
    request.storage = target;
    request.virtual_size = 1 << 20;
    auto writer = ova.create(request, *FindFormat("vmdk"));
    const auto done = writer.ok() ? writer.value()->Finish() : Result<>(std::move(writer).error());
    const bool looks = ProbeContainer(target).value() != nullptr;
    EXPECT_EQ(looks, done.ok()) << failed;
    if (done.ok()) break;
    EXPECT_EQ(done.error().kind(), ErrorKind::kIo) << failed;
  }
  EXPECT_GE(failed, 6U);
}

TEST(BareOvf, OpensNothingOutsideItsFolder) {
  const std::string text = OneDiskOvf("disk", "1");
  const auto storage = std::make_shared<MemoryStorage>("/some/where/box.ovf", AsBytes(text));
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto* driver = ProbeContainer(storage).value();
  ASSERT_NE(driver, nullptr);
  const auto container = driver->open(storage, context);
  ASSERT_TRUE(container.ok());
  const auto disk = container.value()->OpenDisk(0);
  ASSERT_FALSE(disk.ok());
  EXPECT_EQ(disk.error().kind(), ErrorKind::kDenied);
  EXPECT_EQ(disk.error().found(), "./disk");
}

}  // namespace
}  // namespace platter::test
