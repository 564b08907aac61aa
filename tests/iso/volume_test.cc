// What is said of volumes, real ones and damaged ones: info, findings, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/iso/sample_tree.h"
#include "tests/iso/volume_bytes.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

const char* const kGrubRescue = "/usr/lib/grub-rescue/grub-rescue-cdrom.iso";

std::string Text(const Detail& detail, const char* key) {
  const Detail* found = detail.Find(key);
  if (found == nullptr) return "(none)";
  const auto* text = std::get_if<std::string>(&found->value());
  return text == nullptr ? "(no text)" : *text;
}

std::uint64_t Number(const Detail& detail, const char* key) {
  const Detail* found = detail.Find(key);
  return found == nullptr ? 0 : std::get<std::uint64_t>(found->value());
}

std::vector<std::string> List(const Detail& detail, const char* key) {
  std::vector<std::string> texts;
  if (const Detail* found = detail.Find(key)) {
    for (const Detail& member : std::get<Detail::List>(found->value())) {
      texts.push_back(std::get<std::string>(member.value()));
    }
  }
  return texts;
}

// The kind of its own that a small volume is, as genisoimage makes it.
class Volume : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    bytes_ = MakeVolume(
        "cp /usr/lib/grub-rescue/grub-rescue-floppy.img tree/boot.img; "
        "genisoimage -quiet -R -J -V LABEL -publisher US -A APP -b boot.img -no-emul-boot -o v.iso tree");
  }

  static Detail Details(Bytes bytes) {
    const auto image = OpenBytes(std::move(bytes));
    return image.ok() ? image.value()->info().specific : Detail().Add("volume-id", image.error().Describe());
  }
  static inline Bytes bytes_;
};

TEST_F(Volume, IsDescribed) {
  const Detail details = Details(bytes_);
  EXPECT_EQ(Text(details, "volume-id"), "LABEL");
  EXPECT_EQ(Text(details, "publisher"), "US");
  EXPECT_EQ(Text(details, "application"), "APP");
  EXPECT_EQ(Text(details, "system-id"), "LINUX");
  EXPECT_EQ(Text(details, "names"), "rock-ridge");
  EXPECT_THAT(List(details, "systems"), testing::ElementsAre("iso9660", "joliet-3", "rock-ridge", "el-torito"));
  EXPECT_EQ(Number(details, "volume-size"), bytes_.size());
  EXPECT_FALSE(std::get<bool>(details.Find("truncated")->value()));
  EXPECT_EQ(details.Find("findings"), nullptr);
}

TEST_F(Volume, PassesTheCheck) { EXPECT_THAT(FindingsIn(bytes_), testing::IsEmpty()); }

TEST_F(Volume, TailAndTruncationAreSeen) {
  Bytes longer = bytes_;
  longer.resize(longer.size() + 5000);
  EXPECT_EQ(Number(Details(longer), "tail-bytes"), 5000u);
  Bytes shorter = bytes_;
  shorter.resize(shorter.size() - 400'000);
  EXPECT_EQ(Number(Details(shorter), "missing-bytes"), 400'000u);
  EXPECT_TRUE(std::get<bool>(Details(shorter).Find("truncated")->value()));
  EXPECT_THAT(FindingsIn(shorter), testing::Contains(testing::HasSubstr("the file is cut off")));
}

TEST_F(Volume, RealImagesAreSound) {
  for (const char* name : {"usr/lib/memtest86+/memtest86+ia32.iso", "usr/lib/memtest86+/memtest86+x64.iso"}) {
    const std::string path = test::DebianFile("memtest86+", name);
    EXPECT_THAT(FindingsIn(FileBytes(path)), testing::IsEmpty()) << path;
  }
  const auto image = OpenVolume(kGrubRescue);
  EXPECT_EQ(List(image->info().specific, "partition-tables"), std::vector<std::string>{"mbr"});
  EXPECT_NE(image->info().specific.Find("boot-entries"), nullptr);
  EXPECT_THAT(FindingsIn(FileBytes(kGrubRescue)), testing::IsEmpty());
}

// Sectors of 2352 bytes around the same data.
Bytes RawSectors(const Bytes& data, std::uint8_t mode) {
  const std::size_t start = mode == 1 ? 16 : 24;
  Bytes raw;
  for (std::size_t at = 0; at + 2048 <= data.size(); at += 2048) {
    Bytes sector(2352, std::byte{0xEE});
    std::fill_n(sector.begin(), 12, std::byte{0xFF});
    sector[0] = sector[11] = std::byte{0};
    sector[15] = std::byte{mode};
    sector[18] = std::byte{0x08};
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), 2048,
                sector.begin() + static_cast<std::ptrdiff_t>(start));
    raw.insert(raw.end(), sector.begin(), sector.end());
  }
  return raw;
}

TEST_F(Volume, RawSectorsReadAsTheirData) {
  for (const std::uint8_t mode : std::initializer_list<std::uint8_t>{1, 2}) {
    const auto file = std::make_shared<MemoryStorage>("v.bin", RawSectors(bytes_, mode));
    EXPECT_EQ(ProbeFormat(*file).value()->name, "iso");
    const auto image = TryOpenVolume(file);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    ASSERT_EQ(image.value()->info().virtual_size, bytes_.size());
    Bytes read(bytes_.size() - 3000);
    ASSERT_TRUE(image.value()->ReadAt(1000, read).ok());
    EXPECT_TRUE(std::equal(read.begin(), read.end(), bytes_.begin() + 1000));
    EXPECT_EQ(ContentOfTree(*image.value()->file_tree()), ContentOfTree(*OpenBytes(bytes_).value()->file_tree()));
  }
}

// Everything but us reads the volume that lies in the file as it stands.
TEST_F(Volume, APlainVolumeIsNotHiddenBySyncs) {
  Bytes bytes = bytes_;
  const Bytes start = RawSectors(Bytes(2048), 1);
  for (const std::size_t at : {std::size_t{0}, std::size_t{16} * 2352}) {
    std::copy_n(start.begin(), 16, bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
  const auto file = std::make_shared<MemoryStorage>("v.iso", bytes);
  EXPECT_EQ(ProbeFormat(*file).value()->name, "iso");
  const auto image = TryOpenVolume(file);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value()->info().virtual_size, bytes.size());
}

// Boot descriptors of UDF may stand in front of the others.
TEST_F(Volume, BootDescriptorsArePassedOver) {
  for (const std::string_view id : {"BOOT2", "CDW02"}) {
    Bytes later(bytes_.begin(), bytes_.begin() + kPrimary);
    later.resize(later.size() + 2048);
    std::ranges::copy(std::as_bytes(std::span(id)), later.begin() + kPrimary + 1);
    later.insert(later.end(), bytes_.begin() + kPrimary, bytes_.end());
    const auto file = std::make_shared<MemoryStorage>("v.iso", later);
    EXPECT_EQ(ProbeFormat(*file).value()->name, "iso") << id;
    EXPECT_TRUE(TryOpenVolume(file).ok()) << id;
  }
}

struct FieldCase {
  const char* name;
  std::size_t offset;
  std::vector<std::uint8_t> bytes;
  const char* refusal;  // part of the error; "" when the volume opens
  const char* finding;  // part of a finding of the check; "" for none
};

void PrintTo(const FieldCase& field, std::ostream* out) { *out << field.name; }

const std::vector<std::uint8_t> kZero4(4, 0);
const std::vector<std::uint8_t> kZero8(8, 0);
const std::vector<std::uint8_t> kMax8(8, 0xFF);

const FieldCase kFields[] = {
    {"Id", kPrimary + 1, {'X'}, "not in iso format", ""},
    {"Type", kPrimary, {3}, "no primary descriptor", ""},
    {"SpaceSizeZero", kPrimary + 80, kZero8, "field volume_space_size", "volume_space_size"},
    {"SpaceSizeMax", kPrimary + 80, kMax8, "", "the file is cut off"},
    {"SpaceSizeBigZero", kPrimary + 84, kZero4, "", "volume_space_size"},
    {"SpaceSizeLittleZero", kPrimary + 80, kZero4, "", "volume_space_size"},
    {"BlockSizeZero", kPrimary + 128, kZero4, "field logical_block_size", "logical_block_size"},
    {"BlockSizeOdd", kPrimary + 128, {1, 8, 8, 1}, "field logical_block_size", "logical_block_size"},
    {"BlockSizeLarge", kPrimary + 128, {0, 16, 16, 0}, "field logical_block_size", "logical_block_size"},
    {"BlockSizeBig", kPrimary + 130, {4, 0}, "", "logical_block_size"},
    {"PathTableSizeZero", kPrimary + 132, kZero8, "", "path table"},
    {"PathTableSizeMax", kPrimary + 132, kMax8, "", "path table"},
    {"PathTableSizeLess", kPrimary + 132, {10, 0, 0, 0, 0, 0, 0, 10}, "", "path table"},
    {"LPathTableMax", kPrimary + 140, {255, 255, 255, 255}, "", "path table lies outside"},
    {"LPathTableZero", kPrimary + 140, kZero4, "", "path table"},
    {"MPathTableMax", kPrimary + 148, {255, 255, 255, 255}, "", "path table lies outside"},
    {"MPathTableOffByOne", kPrimary + 151, {1}, "", "path table"},
    {"SetSizeBig", kPrimary + 122, {0, 9}, "", "volume_set_size"},
    {"SequenceBig", kPrimary + 126, {0, 9}, "", "volume_sequence_number"},
    {"RootLengthZero", kPrimary + 156, {0}, "directory record", "directory record"},
    {"RootLengthMax", kPrimary + 156, {255}, "directory record", "directory record"},
    {"RootExtentMax", kPrimary + 158, kMax8, "root_directory_record", "root_directory_record"},
    {"RootExtentBig", kPrimary + 162, kZero4, "", "root directory record"},
    {"RootSizeZero", kPrimary + 166, kZero8, "root_directory_record", "root_directory_record"},
    {"RootSizeMax", kPrimary + 166, kMax8, "root_directory_record", "root_directory_record"},
    {"RootFlags", kPrimary + 181, {0}, "root_directory_record.flags", "root_directory_record.flags"},
    {"RootNameLengthZero", kPrimary + 188, {0}, "name_length", "name_length"},
    {"RootNameLengthMax", kPrimary + 188, {255}, "name_length", "name_length"},
    {"BootCatalogMax", kPrimary + 2048 + 0x47, {255, 255, 255, 255}, "", "boot catalog lies outside"},
    {"BootCatalogElsewhere", kPrimary + 2048 + 0x47, {16, 0, 0, 0}, "", "boot catalog, validation entry"},
};

class VolumeField : public Volume, public testing::WithParamInterface<FieldCase> {};

TEST_P(VolumeField, IsRefusedOrReported) {
  Bytes bytes = bytes_;
  Overwrite(bytes, GetParam().offset, GetParam().bytes);
  const auto image = OpenBytes(bytes);
  const std::string refusal = GetParam().refusal;
  EXPECT_EQ(image.ok(), refusal.empty());
  if (!image.ok()) {
    EXPECT_THAT(image.error().Describe(), testing::HasSubstr(refusal));
  }
  if (std::string(GetParam().finding).empty()) return;
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr(GetParam().finding)));
}

INSTANTIATE_TEST_SUITE_P(All, VolumeField, testing::ValuesIn(kFields),
                         [](const auto& param) { return param.param.name; });

// Every directory record, changed in every field: the tree is listed or refused, the check sees it, nothing hangs.
TEST_F(Volume, DirectoryRecordsOfAnyKindDoNoHarm) {
  const std::size_t root = std::size_t{LoadLe<std::uint32_t>(bytes_.data() + kPrimary + 158)} * 2048;
  for (std::size_t offset = 0; offset < 400; ++offset) {
    for (const std::uint8_t value : std::initializer_list<std::uint8_t>{0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      Bytes bytes = bytes_;
      bytes[root + offset] = std::byte{value};
      const auto image = OpenBytes(bytes);
      if (image.ok()) (void)ContentOfTree(*image.value()->file_tree());
    }
  }
}

// As a writer stores a file beyond 4 GiB: several records, all but the last with the flag that more follow.
TEST_F(Volume, ExtentsOfOneFileAreOneFile) {
  const TempDir folder;
  CommandOptions here;
  here.folder = folder.path().string();
  MustRun({"sh", "-ec",
           "mkdir tree; head -c 5000 /dev/urandom >tree/AA; head -c 3000 /dev/urandom >tree/AB; cat tree/AA tree/AB "
           ">whole; "
           "genisoimage -quiet -o v.iso tree"},
          here);
  Bytes bytes = FileBytes(folder.File("v.iso"));
  const std::size_t first = std::size_t{LoadLe<std::uint32_t>(bytes.data() + kPrimary + 158)} * 2048 + 68;
  const std::size_t second = first + std::to_integer<std::size_t>(bytes[first]);
  bytes[first + 25] = std::byte{0x80};
  bytes[second + 34] = std::byte{'A'};
  const auto image = OpenBytes(bytes);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  FileTree& tree = *image.value()->file_tree();
  const auto entry = FindEntry(tree, "AA", false);
  ASSERT_TRUE(entry.ok()) << entry.error().Describe();
  ASSERT_EQ(entry.value().size, 8000u);
  const auto file = tree.OpenFile(entry.value());
  ASSERT_TRUE(file.ok()) << file.error().Describe();
  Bytes content(8000);
  ASSERT_TRUE(file.value()->ReadAt(0, content).ok());
  EXPECT_EQ(content, FileBytes(folder.File("whole")));
  // The last extent is missing.
  bytes[second + 25] = std::byte{0x80};
  EXPECT_THAT(ContentOfTree(*OpenBytes(bytes).value()->file_tree()).at(""),
              testing::HasSubstr("last extent is missing"));
}

TEST_F(Volume, DirectoriesInARingAreWalkedOnce) {
  const TempDir folder;
  CommandOptions here;
  here.folder = folder.path().string();
  MustRun({"sh", "-ec", "mkdir -p tree/a/b; genisoimage -quiet -o v.iso tree"}, here);
  Bytes bytes = FileBytes(folder.File("v.iso"));
  // The record of B in A's directory leads to the root.
  const std::byte* primary = bytes.data() + kPrimary;
  const auto root = LoadLe<std::uint32_t>(primary + 158);
  const std::size_t a = (std::size_t{root} + 1) * 2048;
  StoreLe(bytes.data() + a + 68 + 2, root);
  StoreBe(bytes.data() + a + 68 + 6, root);
  const auto image = OpenBytes(bytes);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const auto content = ContentOfTree(*image.value()->file_tree());
  ASSERT_TRUE(content.contains("A/B"));
  EXPECT_THAT(content.at("A/B"), testing::HasSubstr("more than once"));
  EXPECT_THAT(FindingsIn(bytes), testing::Contains(testing::HasSubstr("more than once")));
}

}  // namespace
}  // namespace platter::test
