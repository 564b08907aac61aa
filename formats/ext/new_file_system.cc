#include "formats/ext/new_file_system.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>

#include "formats/core/bytes.h"

namespace platter::ext {
namespace {

constexpr std::uint64_t kBlock = BlockStore::kBlock;
constexpr std::uint32_t kInodeSize = 256;
constexpr std::uint32_t kExtraSize = 32;
constexpr std::uint64_t kLongestExtent = EXT_INIT_MAX_LEN;
constexpr std::size_t kExtentsInInode = 4;

// /etc/mke2fs.conf of Debian 12: base_features, and features of ext4.
constexpr std::uint32_t kCompatible = EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_RESIZE_INODE |
                                      EXT2_FEATURE_COMPAT_DIR_INDEX | EXT2_FEATURE_COMPAT_EXT_ATTR;
constexpr std::uint32_t kIncompatible = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                                        EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_64BIT;
constexpr std::uint32_t kReadOnlyCompatible = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                                              EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM |
                                              EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE;

std::uint16_t FormatBits(FileKind kind) {
  switch (kind) {
    case FileKind::kRegular:
      return LINUX_S_IFREG;
    case FileKind::kDirectory:
      return LINUX_S_IFDIR;
    case FileKind::kSymbolicLink:
      return LINUX_S_IFLNK;
    case FileKind::kBlockDevice:
      return LINUX_S_IFBLK;
    case FileKind::kCharacterDevice:
      return LINUX_S_IFCHR;
    case FileKind::kPipe:
      return LINUX_S_IFIFO;
    case FileKind::kSocket:
      return LINUX_S_IFSOCK;
  }
  return 0;
}

// As Linux encodes device numbers: the old way where it can.
void FillDevice(const TreeInode& about, ext2_inode_large& inode) {
  constexpr std::uint32_t kOldLimit = 256;
  if (about.device_major < kOldLimit && about.device_minor < kOldLimit) {
    inode.i_block[0] = about.device_major << 8 | about.device_minor;
  } else {
    inode.i_block[1] = (about.device_minor & 0xFFU) | about.device_major << 8 | (about.device_minor & ~0xFFU) << 12;
  }
}

std::vector<BlockRun> AsExtents(const std::vector<BlockRun>& runs) {
  std::vector<BlockRun> extents;
  for (BlockRun run : runs) {
    while (run.count != 0) {
      const std::uint64_t count = std::min(run.count, kLongestExtent);
      extents.push_back({run.block, count});
      run.block += count;
      run.count -= count;
    }
  }
  return extents;
}

}  // namespace

Error NewFileSystem::Failure(errcode_t code, std::string_view what) const {
  const bool full = code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL || code == EXT2_ET_TOOSMALL ||
                    code == EXT2_ET_TOO_MANY_INODES || code == EXT2_ET_NO_MEMORY || code == EXT2_ET_EA_NO_SPACE;
  return Error(full ? ErrorKind::kLimit : ErrorKind::kInvalid, fmt::format("{}: {}", what, error_message(code)));
}

Result<> NewFileSystem::Check(errcode_t code, std::string_view what) const {
  if (code == 0) return Done{};
  return Failure(code, what);
}

void NewFileSystem::Describe(const VolumeRequest& request) {
  ext2_super_block& super = *fs_->super;
  fs_->now = static_cast<time_t>(request.made);
  std::ranges::copy(request.uuid, super.s_uuid);
  std::ranges::copy(request.uuid, reinterpret_cast<std::uint8_t*>(super.s_hash_seed));
  std::ranges::copy(request.label, super.s_volume_name);
  super.s_checksum_type = EXT2_CRC32C_CHKSUM;
  super.s_def_hash_version = EXT2_HASH_HALF_MD4;
  super.s_flags |= EXT2_FLAGS_SIGNED_HASH;
  super.s_max_mnt_count = -1;
  super.s_mkfs_time = static_cast<std::uint32_t>(request.made);
  super.s_lastcheck = super.s_mkfs_time;
  super.s_wtime = super.s_mkfs_time;
  super.s_creator_os = EXT2_OS_LINUX;
  super.s_default_mount_opts |= EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
  super.s_kbytes_written = 1;
  ext2fs_init_csum_seed(fs_);
}

Result<> NewFileSystem::Begin(const Geometry& geometry, const VolumeRequest& request) {
  static std::once_flag once;
  std::call_once(once, initialize_ext2_error_table);
  ext2_super_block wanted{};
  constexpr std::uint32_t kBlockSizeLog = 2;
  constexpr std::uint64_t kReservedPart = 20;
  wanted.s_feature_compat = kCompatible;
  wanted.s_feature_incompat = kIncompatible;
  wanted.s_feature_ro_compat = kReadOnlyCompatible;
  // Blocks that table descriptors could grow into are listed in 32 bits.
  const bool growing = geometry.blocks <= std::numeric_limits<std::uint32_t>::max();
  if (!growing) wanted.s_feature_compat &= ~std::uint32_t{EXT2_FEATURE_COMPAT_RESIZE_INODE};
  const int journal = ext2fs_default_journal_size(geometry.blocks);
  if (journal < 0) wanted.s_feature_compat &= ~std::uint32_t{EXT3_FEATURE_COMPAT_HAS_JOURNAL};
  // Behind the features, by which the counts have a high half.
  ext2fs_blocks_count_set(&wanted, geometry.blocks);
  ext2fs_r_blocks_count_set(&wanted, geometry.blocks / kReservedPart);
  wanted.s_rev_level = 1;
  wanted.s_log_block_size = kBlockSizeLog;
  wanted.s_log_cluster_size = kBlockSizeLog;
  wanted.s_inode_size = kInodeSize;
  wanted.s_inodes_count = static_cast<std::uint32_t>(geometry.inodes);
  wanted.s_log_groups_per_flex = 4;
  wanted.s_min_extra_isize = kExtraSize;
  wanted.s_want_extra_isize = kExtraSize;
  constexpr std::string_view kMaking = "making the file system";
  PLATTER_CHECK(
      Check(ext2fs_initialize(StoreName(store_).c_str(), EXT2_FLAG_64BITS, &wanted, StoreManager(), &fs_), kMaking));
  Describe(request);
  PLATTER_CHECK(Check(ext2fs_allocate_tables(fs_), kMaking));
  for (dgrp_t group = 0; group < fs_->group_desc_count; ++group) {
    ext2fs_bg_flags_set(fs_, group, EXT2_BG_INODE_ZEROED);
    ext2fs_group_desc_csum_set(fs_, group);
  }
  PLATTER_CHECK(MakeOwnInodes());
  if (growing) PLATTER_CHECK(Check(ext2fs_create_resize_inode(fs_), kMaking));
  if (journal < 0) return Done{};
  // What its blocks held before is zeros.
  return Check(ext2fs_add_journal_inode(fs_, static_cast<blk_t>(journal), EXT2_MKJOURNAL_LAZYINIT), kMaking);
}

// The root is the tree's, lost+found too.
Result<> NewFileSystem::MakeOwnInodes() {
  for (ext2_ino_t number = EXT2_BAD_INO; number < EXT2_FIRST_INODE(fs_->super); ++number) {
    if (number != EXT2_ROOT_INO) ext2fs_inode_alloc_stats2(fs_, number, +1, 0);
  }
  return Check(ext2fs_update_bb_inode(fs_, nullptr), "making the file system");
}

Result<std::vector<BlockRun>> NewFileSystem::Take(std::uint64_t count) {
  std::vector<BlockRun> runs;
  while (count != 0) {
    blk64_t block = 0;
    blk64_t length = 0;
    PLATTER_CHECK(Check(ext2fs_new_range(fs_, 0, next_, count, nullptr, &block, &length), "looking for free blocks"));
    // Behind the end it starts again from the beginning, where what is left over may serve.
    length = std::min<blk64_t>(length, count);
    ext2fs_block_alloc_stats_range(fs_, block, static_cast<blk_t>(length), +1);
    if (!runs.empty() && runs.back().block + runs.back().count == block) {
      runs.back().count += length;
    } else {
      runs.push_back({block, length});
    }
    next_ = block + length;
    count -= length;
  }
  return runs;
}

// 34 bits of seconds from 1901 on, 30 bits of nanoseconds.
void NewFileSystem::FillTimes(const TreeInode& about, ext2_inode_large& inode) {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kLast = kFirst + (std::int64_t{1} << 34) - 1;
  const std::int64_t seconds = std::clamp(about.modified, kFirst, kLast);
  if (seconds != about.modified) ++unheld_times_;
  const auto low = static_cast<std::uint32_t>(seconds);
  const auto epoch = static_cast<std::uint32_t>((seconds - static_cast<std::int32_t>(low)) >> 32) & 3U;
  const std::uint32_t extra = about.nanoseconds << 2 | epoch;
  inode.i_atime = inode.i_ctime = inode.i_mtime = inode.i_crtime = low;
  inode.i_atime_extra = inode.i_ctime_extra = inode.i_mtime_extra = inode.i_crtime_extra = extra;
}

Result<> NewFileSystem::WriteExtents(const NewInode& made, ext2_inode_large& inode) {
  inode.i_flags |= EXT4_EXTENTS_FL;
  const auto extents = AsExtents(made.runs);
  if (extents.size() > kExtentsInInode) return Done{};
  auto* bytes = reinterpret_cast<std::byte*>(inode.i_block);
  StoreLe(bytes, std::uint16_t{EXT3_EXT_MAGIC});
  StoreLe(bytes + 2, static_cast<std::uint16_t>(extents.size()));
  StoreLe(bytes + 4, std::uint16_t{kExtentsInInode});
  std::uint64_t logical = 0;
  std::byte* place = bytes + sizeof(ext3_extent_header);
  for (const BlockRun& extent : extents) {
    StoreLe(place, static_cast<std::uint32_t>(logical));
    StoreLe(place + 4, static_cast<std::uint16_t>(extent.count));
    StoreLe(place + 6, static_cast<std::uint16_t>(extent.block >> 32));
    StoreLe(place + 8, static_cast<std::uint32_t>(extent.block));
    logical += extent.count;
    place += sizeof(ext3_extent);
  }
  return Done{};
}

// More extents than an inode holds: a tree of them.
Result<> NewFileSystem::InsertExtents(const NewInode& made) {
  constexpr std::string_view kWhat = "listing a file's blocks";
  const auto extents = AsExtents(made.runs);
  ext2_extent_handle_t handle = nullptr;
  PLATTER_CHECK(Check(ext2fs_extent_open(fs_, made.number, &handle), kWhat));
  const std::unique_ptr<ext2_extent_handle, decltype(&ext2fs_extent_free)> closer(handle, ext2fs_extent_free);
  std::uint64_t logical = 0;
  for (const BlockRun& extent : extents) {
    ext2fs_extent wanted{};
    wanted.e_pblk = extent.block;
    wanted.e_lblk = logical;
    wanted.e_len = static_cast<__u32>(extent.count);
    PLATTER_CHECK(Check(ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &wanted), kWhat));
    PLATTER_CHECK(Check(ext2fs_extent_fix_parents(handle), kWhat));
    logical += extent.count;
  }
  return Done{};
}

Result<> NewFileSystem::WriteInode(const NewInode& made) {
  const TreeInode& about = *made.about;
  ext2_inode_large inode{};
  inode.i_mode = static_cast<std::uint16_t>(FormatBits(about.kind) | about.mode);
  inode.i_uid = static_cast<std::uint16_t>(about.user);
  inode.i_gid = static_cast<std::uint16_t>(about.group);
  inode.osd2.linux2.l_i_uid_high = static_cast<std::uint16_t>(about.user >> 16);
  inode.osd2.linux2.l_i_gid_high = static_cast<std::uint16_t>(about.group >> 16);
  // A folder with more names than the field counts says 1 (dir_nlink).
  inode.i_links_count = static_cast<std::uint16_t>(made.links > Tree::kMostLinks ? 1 : made.links);
  inode.i_size = static_cast<std::uint32_t>(made.size);
  inode.i_size_high = static_cast<std::uint32_t>(made.size >> 32);
  inode.i_extra_isize = kExtraSize;
  FillTimes(about, inode);
  std::uint64_t blocks = 0;
  for (const BlockRun& run : made.runs) blocks += run.count;
  const bool device = about.kind == FileKind::kBlockDevice || about.kind == FileKind::kCharacterDevice;
  const bool listed = !made.runs.empty() || about.kind == FileKind::kRegular || about.kind == FileKind::kDirectory;
  if (device) FillDevice(about, inode);
  if (listed) PLATTER_CHECK(WriteExtents(made, inode));
  if (!listed && about.kind == FileKind::kSymbolicLink) {
    std::memcpy(inode.i_block, about.extra->target.data(), std::min(about.extra->target.size(), sizeof(inode.i_block)));
  }
  auto* plain = reinterpret_cast<ext2_inode*>(&inode);
  constexpr std::string_view kWhat = "writing an inode";
  PLATTER_CHECK(Check(ext2fs_iblk_set(fs_, plain, blocks), kWhat));
  ext2fs_inode_alloc_stats2(fs_, made.number, +1, about.kind == FileKind::kDirectory ? 1 : 0);
  PLATTER_CHECK(Check(ext2fs_write_inode_full(fs_, made.number, plain, sizeof(inode)), kWhat));
  if (AsExtents(made.runs).size() <= kExtentsInInode) return Done{};
  return InsertExtents(made);
}

Result<bool> NewFileSystem::WriteAttribute(std::uint32_t inode, const std::string& name, std::string_view value) {
  constexpr std::string_view kKnown[] = {"user.", "trusted.", "security."};
  constexpr std::size_t kAclHeader = 4;
  const auto fits = [&](std::string_view known) { return name.starts_with(known) && name.size() > known.size(); };
  const bool acl = name == "system.posix_acl_access" || name == "system.posix_acl_default";
  // libext2fs takes a list that is shorter than its header for a lack of memory.
  if (acl ? value.size() < kAclHeader : std::ranges::none_of(kKnown, fits)) return false;
  if (name.size() > Tree::kLongestName) return false;
  ext2_xattr_handle* handle = nullptr;
  constexpr std::string_view kWhat = "writing extended attributes";
  PLATTER_CHECK(Check(ext2fs_xattrs_open(fs_, inode, &handle), kWhat));
  auto code = ext2fs_xattrs_read(handle);
  if (code == 0) code = ext2fs_xattr_set(handle, name.c_str(), value.data(), value.size());
  (void)ext2fs_xattrs_close(&handle);
  if (code == EINVAL && acl) return false;
  PLATTER_CHECK(Check(code, kWhat));
  return true;
}

std::size_t NewFileSystem::folder_room() const noexcept { return kBlock - sizeof(ext2_dir_entry_tail); }

Result<> NewFileSystem::WriteFolderBlock(std::uint64_t block, std::span<std::byte> bytes, std::uint32_t inode) {
  ext2fs_initialize_dirent_tail(fs_, reinterpret_cast<ext2_dir_entry_tail*>(bytes.data() + folder_room()));
  return Check(ext2fs_write_dir_block4(fs_, block, bytes.data(), 0, inode), "writing a folder");
}

Result<> NewFileSystem::Finish() {
  constexpr std::string_view kWhat = "writing the file system's tables";
  ext2fs_mark_super_dirty(fs_);
  ext2fs_mark_bb_dirty(fs_);
  ext2fs_mark_ib_dirty(fs_);
  return Check(ext2fs_close_free(&fs_), kWhat);
}

}  // namespace platter::ext
