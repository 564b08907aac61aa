// Volumes that we author, read by xorriso, isoinfo and 7-Zip, and by ourselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/iso/sample_tree.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

class Authored : public testing::Test {
 protected:
  void SetUp() override { MakeSampleTree(folder_.File("tree")); }

  Result<> Make(std::shared_ptr<Storage> storage, const std::string& options = "volume_id=cidata") {
    const FormatDriver& driver = *FindFormat("iso");
    AuthorRequest request;
    request.storage = std::move(storage);
    request.folder = folder_.File("tree");
    request.options = PLATTER_TRY(OptionValues::Parse(options, driver.author_options));
    return driver.author(request);
  }
  std::shared_ptr<MemoryStorage> InMemory(const std::string& options = "volume_id=cidata") {
    auto storage = std::make_shared<MemoryStorage>();
    const auto made = Make(storage, options);
    EXPECT_TRUE(made.ok()) << made.error().Describe();
    return storage;
  }
  std::string InFile(const std::string& options = "volume_id=cidata") {
    const auto file = FileStorage::Open(folder_.File("v.iso"), {.access = FileMode::Access::kCreate});
    const auto made = Make(file.value(), options);
    EXPECT_TRUE(made.ok()) << made.error().Describe();
    return folder_.File("v.iso");
  }
  std::string Run(const std::string& script) {
    CommandOptions here;
    here.folder = folder_.path().string();
    return MustRun({"sh", "-ec", script}, here);
  }
  std::string Report(std::shared_ptr<Storage> storage) {
    DenyGate gate;
    std::string lines;
    CheckRequest request;
    request.storage = std::move(storage);
    request.context.gate = &gate;
    request.log = [&lines](const std::string& line) { lines += line + "\n"; };
    const auto report = FindFormat("iso")->check(request);
    return report.ok() ? lines : report.error().Describe();
  }

  TempDir folder_;
};

TEST_F(Authored, VolumeHoldsTheFolder) {
  const auto image = TryOpenVolume(InMemory());
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value()->file_tree()->kind(), "rock-ridge");
  EXPECT_EQ(Differences(ContentOfFolder(folder_.File("tree")), ContentOfTree(*image.value()->file_tree())), "");
}

TEST_F(Authored, JolietNamesHoldTheFolder) {
  const auto image = TryOpenVolume(InMemory(), "joliet");
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const Aspects names{.posix = false};
  EXPECT_EQ(
      Differences(ContentOfFolder(folder_.File("tree"), names), ContentOfTree(*image.value()->file_tree(), names)), "");
}

// The last slash of "./x/" is one that the format has no place for.
TEST_F(Authored, LinksLeadWhereTheyDid) {
  const std::pair<const char*, const char*> targets[] = {
      {"//a//b", "//a//b"}, {"//", "//"},     {"///x", "///x"},       {"a//b", "a//b"},
      {"/", "/"},           {"../x", "../x"}, {"a///b/.", "a///b/."}, {"./x/", "./x"},
  };
  std::filesystem::create_directory(folder_.File("tree/links"));
  std::map<std::string, std::string> expected;
  for (const auto& [target, read] : targets) {
    const std::string name = "link" + std::to_string(expected.size());
    std::filesystem::create_symlink(target, folder_.File("tree/links/" + name));
    expected[name] = read;
  }
  const auto image = TryOpenVolume(FileStorage::Open(InFile(), {}).value());
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  FileTree& tree = *image.value()->file_tree();
  const std::string peer = Run("bsdtar tvf v.iso; xorriso -indev v.iso -lsl /links 2>/dev/null");
  for (const auto& [name, target] : expected) {
    const auto link = FindEntry(tree, "links/" + name, false);
    ASSERT_TRUE(link.ok()) << link.error().Describe();
    EXPECT_EQ(link.value().target, target);
    EXPECT_NE(peer.find("links/" + name + " -> " + target + "\n"), std::string::npos) << peer;
    EXPECT_NE(peer.find("'" + name + "' -> '" + target + "'\n"), std::string::npos) << peer;
  }
}

TEST_F(Authored, VolumePassesTheCheck) { EXPECT_EQ(Report(InMemory()), ""); }

TEST_F(Authored, XorrisoExtractsTheSame) {
  InFile();
  Run("xorriso -osirrox on -indev v.iso -extract / out >log 2>&1 || { cat log; exit 1; }");
  const Aspects extracted{.link_times = false};  // xorriso leaves them as they come
  EXPECT_EQ(
      Differences(ContentOfFolder(folder_.File("tree"), extracted), ContentOfFolder(folder_.File("out"), extracted)),
      "");
}

TEST_F(Authored, SevenZipExtractsTheSame) {
  // 7-Zip refuses an archive with links that lead out of it.
  Run("rm tree/absolute-link tree/sizes/dangling-link");
  InFile("rock_ridge=on");
  Run("7zz x -y -oout v.iso >log 2>&1 || { cat log; exit 1; }");
  const Aspects names{.posix = false};
  auto found = ContentOfFolder(folder_.File("out"), names);
  found.erase("relative-link");  // written as a small file by older versions
  EXPECT_EQ(Differences(ContentOfFolder(folder_.File("tree"), names), found), "");
}

TEST_F(Authored, IsoinfoReadsTheDescriptor) {
  InFile("volume_id=config-2,publisher=Somebody");
  const std::string report = Run("isoinfo -d -i v.iso");
  // 8.4.20: a publisher is written in a-characters, which have no small letters.
  EXPECT_NE(report.find("Volume id: config-2\n"), std::string::npos) << report;
  EXPECT_NE(report.find("Publisher id: SOMEBODY\n"), std::string::npos) << report;
  EXPECT_NE(report.find("Joliet with UCS level 3 found"), std::string::npos) << report;
  EXPECT_NE(report.find("Rock Ridge signatures version 1 found"), std::string::npos) << report;
}

TEST_F(Authored, OneKindOfNamesOnly) {
  EXPECT_TRUE(TryOpenVolume(InMemory("joliet=on"), "joliet").ok());
  EXPECT_FALSE(TryOpenVolume(InMemory("joliet=on"), "rock-ridge").ok());
  EXPECT_FALSE(TryOpenVolume(InMemory("rock_ridge=on"), "joliet").ok());
}

TEST_F(Authored, BootEntriesAreThere) {
  Run("cp /usr/lib/grub-rescue/grub-rescue-floppy.img floppy; head -c 4096 /dev/zero >tree/bios.bin; "
      "truncate -s 1440k tree/efi.img; mkfs.vfat -n EFI tree/efi.img >/dev/null");
  const auto storage = InMemory("boot=bios.bin,efi_boot=/efi.img");
  const auto image = TryOpenVolume(storage);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  const Detail* entries = image.value()->info().specific.Find("boot-entries");
  ASSERT_NE(entries, nullptr);
  const auto& list = std::get<Detail::List>(entries->value());
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(std::get<std::string>(list[0].Find("platform")->value()), "x86");
  EXPECT_EQ(std::get<std::uint64_t>(list[0].Find("load-sectors")->value()), 4u);
  EXPECT_EQ(std::get<std::string>(list[1].Find("platform")->value()), "efi");
  EXPECT_EQ(std::get<std::uint64_t>(list[1].Find("image-size")->value()), 1440u * 1024);
  EXPECT_EQ(Report(storage), "");
  const std::string file = InFile("boot=bios.bin,efi_boot=/efi.img");
  const std::string seen = MustRun({"xorriso", "-indev", file, "-report_el_torito", "plain"});
  EXPECT_THAT(seen, testing::ContainsRegex("boot img : +1 +BIOS +y +none +0x0000 +0x00 +4 "));
  EXPECT_THAT(seen, testing::ContainsRegex("boot img : +2 +UEFI +y +none +0x0000 +0x00 +2880 "));
  EXPECT_THAT(seen, testing::HasSubstr("img path :   1  /bios.bin"));
  EXPECT_THAT(seen, testing::HasSubstr("img path :   2  /efi.img"));
}

TEST_F(Authored, WrongOptionsAreRefused) {
  for (const char* options :
       {"boot=nowhere", "efi_boot=sizes", "volume_id=123456789012345678901234567890123", "volume_id=gr\u00fcn"}) {
    const auto made = Make(std::make_shared<MemoryStorage>(), options);
    ASSERT_FALSE(made.ok()) << options;
    EXPECT_EQ(made.error().kind(), ErrorKind::kInvalid) << made.error().Describe();
  }
}

TEST_F(Authored, SameFilesGiveTheSameBytes) {
  setenv("SOURCE_DATE_EPOCH", "1650000000", 1);
  const auto first = InMemory()->Snapshot();
  Run("cp -a tree copy && rm -r tree && mv copy tree");
  const auto second = InMemory()->Snapshot();
  unsetenv("SOURCE_DATE_EPOCH");
  EXPECT_EQ(Sha256OfBytes(first), Sha256OfBytes(second));
}

TEST_F(Authored, FailuresLeaveNoVolume) {
  const std::uint64_t size = InMemory()->size();
  for (const std::uint64_t call : {0, 1, 2, 3}) {
    const auto storage = std::make_shared<MemoryStorage>();
    const auto made = Make(std::make_shared<FaultyStorage>(storage, FaultPlan{.crash_before_write = call}));
    if (made.ok()) continue;
    EXPECT_EQ(made.error().kind(), ErrorKind::kIo) << made.error().Describe();
    EXPECT_FALSE(TryOpenVolume(storage).ok()) << "after write " << call;
  }
  const auto storage = std::make_shared<MemoryStorage>();
  EXPECT_FALSE(Make(std::make_shared<FaultyStorage>(storage, FaultPlan{.capacity = size / 2})).ok());
  EXPECT_FALSE(TryOpenVolume(storage).ok());
}

}  // namespace
}  // namespace platter::test
