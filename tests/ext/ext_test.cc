// Files read out of file systems that mke2fs made, beside debugfs; and out of damaged ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "formats/core/bytes.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/ext/file_system.h"
#include "tests/support/command.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::ext {
namespace {

constexpr std::string_view kTree =
    "mkdir -p t/boot t/etc t/deep/er; echo hello >t/etc/hostname; head -c 700000 /bin/bash >t/boot/vmlinuz-1; "
    "truncate -s 300000 t/boot/hole; echo end >>t/boot/hole; ln -s boot/vmlinuz-1 t/vmlinuz; "
    "ln -s ../../boot t/deep/er/up; ln -s loop t/loop; ln -s nowhere t/dangling; ln -s /etc/hostname t/absolute; "
    "ln -s /$(head -c 200 /dev/zero | tr '\\0' /)etc/hostname t/long; : >t/empty; ";

// "fs" in `folder`.
std::string Make(const test::TempDir& folder, const std::string& options) {
  test::MustRun({"sh", "-ec",
                 "export PATH=$PATH:/sbin:/usr/sbin; " + std::string(kTree) + "truncate -s 8M fs; mke2fs -q -F " +
                     options + " -d t fs"},
                {.folder = folder.path().string(), .environment = {}, .merge_streams = false});
  return folder.File("fs");
}

std::vector<std::byte> BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes(std::filesystem::file_size(path));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

Result<std::unique_ptr<FileSystem>> Open(std::vector<std::byte> bytes) {
  return FileSystem::Open(std::make_shared<MemoryStorage>("fs", std::move(bytes)));
}

Result<std::string> Content(FileSystem& fs, const File& file) {
  std::string content;
  PLATTER_CHECK(fs.Read(file, [&](std::span<const std::byte> piece) -> Result<> {
    content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return Done{};
  }));
  return content;
}

constexpr const char* kKinds[] = {"-t ext2",
                                  "-t ext2 -b 4096 -I 128",
                                  "-t ext3",
                                  "-t ext4",
                                  "-t ext4 -b 2048 -O inline_data",
                                  "-t ext4 -O bigalloc,^resize_inode",
                                  "-t ext4 -O ^metadata_csum,64bit,meta_bg,^resize_inode"};

TEST(Ext, ReadsWhatDebugfsReads) {
  for (const char* kind : kKinds) {
    const test::TempDir folder;
    const std::string path = Make(folder, kind);
    auto fs = Open(BytesOf(path));
    ASSERT_TRUE(fs.ok()) << kind << fs.error().Describe();
    for (const char* name : {"/etc/hostname", "/boot/vmlinuz-1", "/boot/hole"}) {
      const auto file = fs.value()->Find(name);
      ASSERT_TRUE(file.ok() && file.value()) << name;
      const auto content = Content(*fs.value(), *file.value());
      ASSERT_TRUE(content.ok()) << content.error().Describe();
      const std::string theirs =
          test::MustRun({"sh", "-c", "PATH=$PATH:/sbin debugfs -R \"cat $1\" \"$0\" 2>/dev/null", path, name});
      // debugfs prints all 60 bytes of a file that lies in its inode.
      EXPECT_EQ(content.value().size(), file.value()->size) << kind << name;
      EXPECT_TRUE(content.value() == theirs.substr(0, file.value()->size)) << kind << name;
    }
    EXPECT_EQ(Content(*fs.value(), *fs.value()->Find("/empty").value()).value(), "") << kind;
  }
}

TEST(Ext, ListsFolders) {
  const test::TempDir folder;
  auto fs = Open(BytesOf(Make(folder, "-t ext4")));
  const auto root = fs.value()->Find("/");
  EXPECT_THAT(fs.value()->List(*root.value()).value(),
              testing::UnorderedElementsAre("boot", "etc", "deep", "vmlinuz", "loop", "dangling", "absolute", "long",
                                            "empty", "lost+found"));
}

TEST(Ext, FollowsLinks) {
  const test::TempDir folder;
  auto fs = std::move(Open(BytesOf(Make(folder, "-t ext4")))).value();
  const auto inode = [&](const char* path) {
    const auto file = fs->Find(path);
    EXPECT_TRUE(file.ok()) << path;
    return file.ok() && file.value() ? file.value()->inode : 0U;
  };
  EXPECT_NE(inode("/vmlinuz"), 0U);
  EXPECT_EQ(inode("/vmlinuz"), inode("/boot/vmlinuz-1"));
  EXPECT_EQ(inode("deep/er/up/vmlinuz-1"), inode("/boot/vmlinuz-1"));
  EXPECT_EQ(inode("/deep/../etc//hostname"), inode("/absolute"));
  EXPECT_EQ(inode("/long"), inode("/etc/hostname"));
  for (const char* path : {"/loop", "/dangling", "/nothing", "/etc/hostname/x", "/loop/x"}) EXPECT_EQ(inode(path), 0U);
  EXPECT_EQ(fs->FindLink("/vmlinuz").value()->kind, File::Kind::kLink);
  EXPECT_EQ(fs->ReadLink(*fs->FindLink("/vmlinuz").value()).value(), "boot/vmlinuz-1");
}

struct Field {
  const char* name;
  std::size_t offset;
  std::uint32_t value;
};

TEST(Ext, SuperblockFields) {
  constexpr std::uint32_t kMax = 0xFFFFFFFF;
  constexpr Field kFields[] = {
      {"s_log_block_size", 24, 7},   {"s_log_block_size", 24, kMax}, {"s_blocks_count", 4, 0},
      {"s_blocks_count", 4, 8193},   {"s_blocks_count", 4, kMax},    {"s_blocks_per_group", 32, 0},
      {"s_blocks_per_group", 32, 7}, {"s_blocks_count", 336, kMax},  {"s_desc_size", 254, 65},
      {"s_desc_size", 254, 1024},
  };
  const test::TempDir folder;
  const auto sound = BytesOf(Make(folder, "-t ext4 -O 64bit -b 1024"));
  for (const Field& field : kFields) {
    auto bytes = sound;
    StoreLe(bytes.data() + 1024 + field.offset, field.value);
    const auto fs = Open(bytes);
    ASSERT_FALSE(fs.ok()) << field.name;
    EXPECT_EQ(fs.error().kind(), ErrorKind::kCorrupt);
    EXPECT_EQ(fs.error().field(), field.name);
  }
  auto bytes = sound;
  bytes[1024 + 56] = std::byte{0};
  EXPECT_EQ(Open(bytes).error().kind(), ErrorKind::kNotThisFormat);
  EXPECT_EQ(Open({}).error().kind(), ErrorKind::kNotThisFormat);
  bytes = sound;
  bytes[1024 + 200] ^= std::byte{1};  // under the superblock's checksum
  EXPECT_EQ(Open(bytes).error().kind(), ErrorKind::kCorrupt);
}

// Ciphertext is no content, no name and no target.
TEST(Ext, EncryptedInodesAreRefused) {
  const test::TempDir folder;
  Make(folder, "-t ext4");
  test::MustRun({"sh", "-ec",
                 "export PATH=$PATH:/sbin:/usr/sbin; for f in /boot/vmlinuz-1:0x80800 /etc:0x80800 /vmlinuz:0x800; do "
                 "debugfs -w -R \"set_inode_field ${f%:*} flags ${f#*:}\" fs; done"},
                {.folder = folder.path().string(), .environment = {}, .merge_streams = true});
  const auto opened = Open(BytesOf(folder.File("fs")));
  ASSERT_TRUE(opened.ok());
  FileSystem& fs = *opened.value();
  const auto refused = [](const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_EQ(error.field(), "i_flags");
  };
  refused(Content(fs, *fs.Find("/boot/vmlinuz-1").value()).error());
  refused(fs.List(*fs.Find("/etc").value()).error());
  refused(fs.Find("/etc/hostname").error());
  refused(fs.Find("/vmlinuz").error());
  refused(fs.ReadInode(fs.FindLink("/vmlinuz").value()->inode).error());
  EXPECT_TRUE(Content(fs, *fs.Find("/boot/hole").value()).ok());
}

TEST(Ext, FoldersAreReadAsFarAsTheyAreListed) {
  constexpr std::size_t kBlock = 1024;
  constexpr std::size_t kRecord = 12;
  // Records of four-letter names, of which there are more than are read.
  std::string records;
  std::uint32_t made = 0;
  for (std::size_t block = 0; block * (kBlock / kRecord) <= kMaxEntries; ++block) {
    for (std::size_t at = 0; at + kRecord <= kBlock; at += kRecord) {
      const bool last = at + 2 * kRecord > kBlock;
      std::byte head[8] = {};
      StoreLe(head, std::uint32_t{2});
      StoreLe(head + 4, static_cast<std::uint16_t>(last ? kBlock - at : kRecord));
      head[6] = std::byte{4};
      records.append(reinterpret_cast<const char*>(head), sizeof(head));
      for (unsigned shift : {18U, 12U, 6U, 0U}) records += static_cast<char>('0' + (made >> shift & 63U));
      records.append(last ? kBlock - at - kRecord : 0, '\0');
      ++made;
    }
  }
  const std::string last = records.substr(records.size() - 8, 4);
  const test::TempDir folder;
  std::ofstream(folder.File("records"), std::ios::binary) << records;
  Make(folder, "-t ext2 -b 1024");
  test::MustRun({"sh", "-ec",
                 "export PATH=$PATH:/sbin:/usr/sbin; debugfs -w -R 'write records many' fs; "
                 "debugfs -w -R 'set_inode_field many mode 040755' fs"},
                {.folder = folder.path().string(), .environment = {}, .merge_streams = true});
  const auto fs = Open(BytesOf(folder.File("fs")));
  ASSERT_TRUE(fs.ok());
  const auto first = fs.value()->Find("/many/0001");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first.value().has_value());
  const auto behind = fs.value()->Find("/many/" + last);
  ASSERT_FALSE(behind.ok());
  EXPECT_EQ(behind.error().kind(), ErrorKind::kLimit);
}

TEST(Ext, UnknownFeaturesAreRefused) {
  const test::TempDir folder;
  auto bytes = BytesOf(Make(folder, "-t ext2"));
  StoreLe(bytes.data() + 1024 + 96, std::uint32_t{0x80000002});
  EXPECT_EQ(Open(bytes).error().kind(), ErrorKind::kUnsupported);
}

void ExpectImagesFault(const Error& error) {
  EXPECT_THAT(error.kind(), testing::AnyOf(ErrorKind::kNotThisFormat, ErrorKind::kCorrupt, ErrorKind::kUnsupported,
                                           ErrorKind::kLimit))
      << error.Describe();
}

// Reads everything that can be found: what cannot is the image's fault.
void ReadAll(FileSystem& fs) {
  for (const char* path : {"/", "/boot", "/etc"}) {
    const auto found = fs.Find(path);
    if (!found.ok()) ExpectImagesFault(found.error());
    if (!found.ok() || !found.value() || found.value()->kind != File::Kind::kFolder) continue;
    const auto names = fs.List(*found.value());
    if (!names.ok()) ExpectImagesFault(names.error());
    if (!names.ok()) continue;
    for (std::size_t at = 0; at < std::min<std::size_t>(names.value().size(), 50); ++at) {
      const auto file = fs.Find(std::string(path) + "/" + names.value()[at]);
      if (!file.ok() || !file.value() || file.value()->size > (std::uint64_t{64} << 20)) continue;
      const auto content = Content(fs, *file.value());
      if (!content.ok()) ExpectImagesFault(content.error());
    }
  }
}

TEST(Ext, DamageIsAnErrorAtWorst) {
  for (const char* kind : {"-t ext2", "-t ext4 -O ^metadata_csum", "-t ext4 -O ^metadata_csum,inline_data"}) {
    const test::TempDir folder;
    const auto sound = BytesOf(Make(folder, kind));
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
      test::Random random(seed);
      auto bytes = sound;
      for (int change = 0; change < 40; ++change) {
        // Where structures are: the first part of the volume. Bytes of 0, of 255, and of chance.
        const std::size_t at = 1024 + random.Below(600 * 1024);
        const std::uint64_t how = random.Below(3);
        bytes[at] = how == 0 ? std::byte{0} : how == 1 ? std::byte{0xFF} : static_cast<std::byte>(random.Next());
      }
      auto fs = Open(std::move(bytes));
      fs.ok() ? ReadAll(*fs.value()) : ExpectImagesFault(fs.error());
    }
  }
}

TEST(Ext, HostErrorsArriveAsSuch) {
  const test::TempDir folder;
  const auto bytes = BytesOf(Make(folder, "-t ext4"));
  for (std::uint64_t at = 0; at < 6; ++at) {
    FaultPlan plan;
    plan.fail_read = at;
    auto faulty = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("fs", bytes), plan);
    auto fs = FileSystem::Open(faulty);
    if (!fs.ok()) {
      EXPECT_EQ(fs.error().kind(), ErrorKind::kIo) << at;
      continue;
    }
    const auto file = fs.value()->Find("/boot/vmlinuz-1");
    if (!file.ok()) {
      EXPECT_EQ(file.error().kind(), ErrorKind::kIo) << at;
      continue;
    }
    const auto content = Content(*fs.value(), *file.value());
    EXPECT_TRUE(content.ok() || content.error().kind() == ErrorKind::kIo) << at;
  }
}

}  // namespace
}  // namespace platter::ext
