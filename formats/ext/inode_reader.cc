// FileSystem's view of an inode with everything that it says, for whoever copies a file system.
#include <ext2fs/ext2fs.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/core/bytes.h"
#include "formats/ext/file_system.h"
#include "formats/ext/file_system_state.h"

namespace platter::ext {
namespace {

std::optional<FileKind> KindOf(std::uint16_t mode) {
  if (LINUX_S_ISREG(mode)) return FileKind::kRegular;
  if (LINUX_S_ISDIR(mode)) return FileKind::kDirectory;
  if (LINUX_S_ISLNK(mode)) return FileKind::kSymbolicLink;
  if (LINUX_S_ISCHR(mode)) return FileKind::kCharacterDevice;
  if (LINUX_S_ISBLK(mode)) return FileKind::kBlockDevice;
  if (LINUX_S_ISFIFO(mode)) return FileKind::kPipe;
  if (LINUX_S_ISSOCK(mode)) return FileKind::kSocket;
  return std::nullopt;
}

void TakeDevice(const ext2_inode_large& stored, TreeInode& inode) {
  const std::uint32_t old = stored.i_block[0];
  const std::uint32_t wide = stored.i_block[1];
  inode.device_major = old != 0 ? old >> 8 & 0xFFU : wide >> 8 & 0xFFFU;
  inode.device_minor = old != 0 ? old & 0xFFU : (wide & 0xFFU) | (wide >> 12 & 0xFFF00U);
}

void TakeTime(const ext2_inode_large& stored, bool extra, TreeInode& inode) {
  constexpr std::uint32_t kBillion = 1'000'000'000;
  inode.modified = static_cast<std::int32_t>(stored.i_mtime);
  if (!extra) return;
  inode.modified += static_cast<std::int64_t>(stored.i_mtime_extra & 3U) << 32;
  inode.nanoseconds = std::min(stored.i_mtime_extra >> 2, kBillion - 1);
}

struct AttributeWalk {
  std::vector<std::pair<std::string, std::string>> found = {};
};

int VisitAttribute(char* name, char* value, std::size_t length, void* argument) {
  static_cast<AttributeWalk*>(argument)->found.emplace_back(name, std::string(value, length));
  return 0;
}

// The list on the disk (version 1) as system calls have it (version 2): there each entry names somebody, or nobody.
// Done here, since libext2fs's own way takes the list's length on trust. Nothing: damaged.
std::optional<std::string> AclOf(std::string_view stored) {
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kShort = 4;  // tag and permissions
  constexpr std::size_t kLong = 8;   // and an ID
  constexpr std::uint16_t kUser = 0x02;
  constexpr std::uint16_t kGroup = 0x08;
  const auto* bytes = reinterpret_cast<const std::byte*>(stored.data());
  if (stored.size() < kHeader || LoadLe<std::uint32_t>(bytes) != 1) return std::nullopt;
  std::string list("\2\0\0\0", kHeader);
  for (std::size_t at = kHeader; at < stored.size();) {
    if (stored.size() - at < kShort) return std::nullopt;
    const auto tag = LoadLe<std::uint16_t>(bytes + at);
    const std::size_t length = tag == kUser || tag == kGroup ? kLong : kShort;
    if (stored.size() - at < length) return std::nullopt;
    list.append(stored.substr(at, length));
    list.append(kLong - length, '\xFF');
    at += length;
  }
  return list;
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> FileSystem::ReadAttributes(std::uint32_t inode) {
  ext2_xattr_handle* handle = nullptr;
  const auto what = [&] { return fmt::format("reading the extended attributes of inode {}", inode); };
  auto code = ext2fs_xattrs_open(state_->fs, inode, &handle);
  if (code == EXT2_ET_MISSING_EA_FEATURE) return std::vector<std::pair<std::string, std::string>>();
  if (code != 0) return state_->Failure(code, what());
  AttributeWalk walk;
  code = ext2fs_xattrs_read(handle);
  if (code == 0) code = ext2fs_xattrs_iterate(handle, VisitAttribute, &walk);
  (void)ext2fs_xattrs_close(&handle);
  if (code != 0) return state_->Failure(code, what());
  // Where data lies in its inode; no attribute of the user's.
  std::erase_if(walk.found, [](const auto& attribute) { return attribute.first == "system.data"; });
  for (auto& [name, value] : walk.found) {
    if (name != "system.posix_acl_access" && name != "system.posix_acl_default") continue;
    auto list = AclOf(value);
    if (!list) {
      return Error(ErrorKind::kCorrupt, fmt::format("an access control list of inode {} is damaged", inode))
          .At("extended attribute", name);
    }
    value = std::move(*list);
  }
  std::ranges::sort(walk.found);
  return std::move(walk.found);
}

Result<TreeInode> FileSystem::ReadInode(std::uint32_t number) {
  ext2_inode_large stored{};
  auto* plain = reinterpret_cast<ext2_inode*>(&stored);
  const auto code = ext2fs_read_inode_full(state_->fs, number, plain, sizeof(stored));
  if (code != 0) return state_->Failure(code, fmt::format("reading inode {}", number));
  const auto kind = KindOf(stored.i_mode);
  if (!kind) {
    return Error(ErrorKind::kCorrupt, fmt::format("inode {} is of a kind that is none", number))
        .At("inode", "i_mode")
        .Found(stored.i_mode);
  }
  TreeInode inode;
  inode.kind = *kind;
  inode.mode = stored.i_mode & 07777U;
  inode.user = stored.i_uid | static_cast<std::uint32_t>(stored.osd2.linux2.l_i_uid_high) << 16;
  inode.group = stored.i_gid | static_cast<std::uint32_t>(stored.osd2.linux2.l_i_gid_high) << 16;
  inode.links = stored.i_links_count;
  if (inode.kind == FileKind::kRegular) inode.size = EXT2_I_SIZE(plain);
  const bool large = EXT2_INODE_SIZE(state_->fs->super) > EXT2_GOOD_OLD_INODE_SIZE;
  constexpr std::size_t kTimeEnd = offsetof(ext2_inode_large, i_mtime_extra) + 4 - EXT2_GOOD_OLD_INODE_SIZE;
  TakeTime(stored, large && stored.i_extra_isize >= kTimeEnd, inode);
  const bool device = *kind == FileKind::kBlockDevice || *kind == FileKind::kCharacterDevice;
  if (device) TakeDevice(stored, inode);
  auto attributes = PLATTER_TRY(ReadAttributes(number));
  if (attributes.empty() && *kind != FileKind::kSymbolicLink) return inode;
  inode.extra = std::make_unique<TreeInode::Extra>();
  inode.extra->attributes = std::move(attributes);
  if (*kind != FileKind::kSymbolicLink) return inode;
  File link;
  link.inode = number;
  link.kind = File::Kind::kLink;
  link.size = EXT2_I_SIZE(plain);
  inode.extra->target = PLATTER_TRY(ReadLink(link));
  return inode;
}

}  // namespace platter::ext
