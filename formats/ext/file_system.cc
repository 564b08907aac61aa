#include "formats/ext/file_system.h"

#include <ext2fs/ext2fs.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>

#include "formats/core/bytes.h"
#include "formats/ext/file_system_state.h"

namespace platter::ext {

namespace {

// libext2fs sizes its tables by the superblock before it looks at the volume.
Result<> CheckGeometry(Storage& volume) {
  std::array<std::byte, 1024> super{};
  PLATTER_CHECK(volume.ReadPadded(1024, super));
  const auto u32 = [&](std::size_t at) { return std::uint64_t{LoadLe<std::uint32_t>(super.data() + at)}; };
  const auto bad = [](std::string_view field, std::size_t at, std::uint64_t found, std::string allowed) {
    return Error(ErrorKind::kCorrupt, "ext file system is damaged")
        .At("superblock", std::string(field), 1024 + at)
        .Found(found)
        .Allowed(std::move(allowed));
  };
  if (LoadLe<std::uint16_t>(super.data() + 56) != 0xEF53) {
    return Error(ErrorKind::kNotThisFormat, "no ext file system").At("superblock", "s_magic", 1024 + 56);
  }
  if (u32(24) > 6) return bad("s_log_block_size", 24, u32(24), "0 to 6");
  constexpr std::uint64_t kWide = 0x80;
  const std::uint64_t blocks = u32(4) | ((u32(96) & kWide) != 0 ? u32(336) << 32 : 0);
  const std::uint64_t room = volume.size() / (std::uint64_t{1024} << u32(24));
  if (blocks == 0 || blocks > room) return bad("s_blocks_count", 4, blocks, fmt::format("1 to {}", room));
  if (u32(32) < 8) return bad("s_blocks_per_group", 32, u32(32), "at least 8");
  constexpr std::uint64_t kMaxGroups = std::uint64_t{1} << 20;  // a descriptor each
  constexpr std::uint16_t kMaxDescriptor = 64;                  // bytes
  if (blocks / u32(32) > kMaxGroups) {
    return Error(ErrorKind::kLimit, "ext file system has too many groups")
        .At("superblock", "s_blocks_per_group", 1024 + 32)
        .Found(u32(32))
        .Allowed(fmt::format("at least {}", blocks / kMaxGroups));
  }
  const auto descriptor = LoadLe<std::uint16_t>(super.data() + 254);
  if ((u32(96) & kWide) != 0 && descriptor > kMaxDescriptor) {
    return bad("s_desc_size", 254, descriptor, fmt::format("at most {}", kMaxDescriptor));
  }
  return Done{};
}

struct FolderWalk {
  const std::function<bool(std::string_view name, std::uint32_t inode)>* visit;  // false: enough
  std::size_t left = kMaxEntries;
};

int VisitEntry(ext2_ino_t /*folder*/, int /*entry*/, ext2_dir_entry* entry, int /*offset*/, int /*block_size*/,
               char* /*buffer*/, void* argument) {
  auto& walk = *static_cast<FolderWalk*>(argument);
  if (walk.left == 0 || --walk.left == 0) return DIRENT_ABORT;
  if (entry->inode == 0) return 0;
  const std::string_view name(entry->name, static_cast<std::size_t>(ext2fs_dirent_name_len(entry)));
  return (*walk.visit)(name, entry->inode) ? 0 : DIRENT_ABORT;
}

Error TooManyEntries(std::uint32_t folder) {
  return Error(ErrorKind::kLimit, fmt::format("the folder in inode {} has more than {} entries", folder, kMaxEntries));
}

}  // namespace

FileSystem::FileSystem(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileSystem::~FileSystem() = default;

Result<std::unique_ptr<FileSystem>> FileSystem::Open(std::shared_ptr<Storage> volume, std::uint64_t budget) {
  static std::once_flag once;
  std::call_once(once, initialize_ext2_error_table);
  PLATTER_CHECK(CheckGeometry(*volume));
  auto state = std::make_unique<State>(std::move(volume), budget);
  const auto code =
      ext2fs_open2(VolumeName(state->volume).c_str(), nullptr, EXT2_FLAG_64BITS, 0, 0, VolumeManager(), &state->fs);
  if (code != 0) return state->Failure(code, "opening the ext file system");
  return std::unique_ptr<FileSystem>(new FileSystem(std::move(state)));
}

bool FileSystem::journal_pending() const noexcept {
  return (state_->fs->super->s_feature_incompat & EXT3_FEATURE_INCOMPAT_RECOVER) != 0;
}

Result<File> FileSystem::Describe(std::uint32_t inode) {
  ext2_inode bytes{};
  const auto code = ext2fs_read_inode(state_->fs, inode, &bytes);
  if (code != 0) return state_->Failure(code, fmt::format("reading inode {}", inode));
  File file;
  file.inode = inode;
  file.size = EXT2_I_SIZE(&bytes);
  if (LINUX_S_ISREG(bytes.i_mode)) file.kind = File::Kind::kRegular;
  if (LINUX_S_ISDIR(bytes.i_mode)) file.kind = File::Kind::kFolder;
  if (LINUX_S_ISLNK(bytes.i_mode)) file.kind = File::Kind::kLink;
  return file;
}

Result<std::vector<std::pair<std::string, std::uint32_t>>> FileSystem::Entries(std::uint32_t folder) {
  std::vector<std::pair<std::string, std::uint32_t>> entries;
  const std::function<bool(std::string_view, std::uint32_t)> visit = [&](std::string_view name, std::uint32_t inode) {
    if (name != "." && name != "..") entries.emplace_back(name, inode);
    return true;
  };
  PLATTER_CHECK(state_->CheckPlain(folder));
  FolderWalk walk{&visit};
  const auto code = ext2fs_dir_iterate2(state_->fs, folder, DIRENT_FLAG_INCLUDE_EMPTY, nullptr, VisitEntry, &walk);
  if (code != 0) return state_->Failure(code, fmt::format("reading the folder in inode {}", folder));
  if (walk.left != 0) return entries;
  return TooManyEntries(folder);
}

Result<std::vector<std::string>> FileSystem::List(const File& folder) {
  std::vector<std::string> names;
  for (auto& [name, inode] : PLATTER_TRY(Entries(folder.inode))) names.push_back(std::move(name));
  return names;
}

Result<std::optional<std::uint32_t>> FileSystem::FindEntry(std::uint32_t folder, std::string_view wanted) {
  std::optional<std::uint32_t> found;
  const std::function<bool(std::string_view, std::uint32_t)> visit = [&](std::string_view name, std::uint32_t inode) {
    if (name == wanted) found = inode;
    return !found;
  };
  PLATTER_CHECK(state_->CheckPlain(folder));
  FolderWalk walk{&visit};
  const auto code = ext2fs_dir_iterate2(state_->fs, folder, DIRENT_FLAG_INCLUDE_EMPTY, nullptr, VisitEntry, &walk);
  if (code != 0) return state_->Failure(code, fmt::format("reading the folder in inode {}", folder));
  if (found || walk.left != 0) return found;
  return TooManyEntries(folder);
}

Result<std::optional<File>> FileSystem::Lookup(std::string_view path, bool follow_last) {
  constexpr std::size_t kMaxParts = 4096;
  std::deque<std::string> parts;
  const auto push = [&parts](std::string_view text) {
    std::vector<std::string> split;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('/', at), text.size());
      if (end > at) split.emplace_back(text.substr(at, end - at));
      at = end + 1;
    }
    parts.insert(parts.begin(), split.begin(), split.end());
  };
  push(path);
  unsigned links = 0;
  File at = PLATTER_TRY(Describe(EXT2_ROOT_INO));
  while (!parts.empty()) {
    if (at.kind != File::Kind::kFolder || parts.size() > kMaxParts) return std::optional<File>{};
    const std::string name = std::move(parts.front());
    parts.pop_front();
    const auto inode = PLATTER_TRY(FindEntry(at.inode, name));
    if (!inode) return std::optional<File>{};
    const File next = PLATTER_TRY(Describe(*inode));
    if (next.kind != File::Kind::kLink || (parts.empty() && !follow_last)) {
      at = next;
      continue;
    }
    if (++links > kMaxLinks) return std::optional<File>{};
    const std::string target = PLATTER_TRY(ReadLink(next));
    if (target.starts_with('/')) at = PLATTER_TRY(Describe(EXT2_ROOT_INO));
    push(target);
  }
  return std::optional<File>(at);
}

Result<std::optional<File>> FileSystem::Find(std::string_view path) { return Lookup(path, true); }

Result<std::optional<File>> FileSystem::FindLink(std::string_view path) { return Lookup(path, false); }

Result<std::string> FileSystem::ReadLink(const File& link) {
  constexpr std::uint64_t kLongest = 4096;
  if (link.kind != File::Kind::kLink || link.size == 0 || link.size >= kLongest) {
    return Error(ErrorKind::kCorrupt, fmt::format("symbolic link in inode {} is damaged", link.inode))
        .Found(link.size)
        .Allowed("1 to 4095 bytes");
  }
  PLATTER_CHECK(state_->CheckPlain(link.inode));
  ext2_inode bytes{};
  auto code = ext2fs_read_inode(state_->fs, link.inode, &bytes);
  if (code != 0) return state_->Failure(code, fmt::format("reading inode {}", link.inode));
  if (ext2fs_is_fast_symlink(&bytes) != 0) {
    return std::string(reinterpret_cast<const char*>(bytes.i_block),
                       std::min<std::uint64_t>(link.size, sizeof(bytes.i_block)));
  }
  std::string target;
  File content = link;
  content.kind = File::Kind::kRegular;
  PLATTER_CHECK(Read(content, [&](std::span<const std::byte> piece) -> Result<> {
    target.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return Done{};
  }));
  return target;
}

Result<> FileSystem::Read(const File& file, const std::function<Result<>(std::span<const std::byte>)>& take,
                          std::uint64_t most) {
  if (file.size > most) {
    return Error(ErrorKind::kLimit, fmt::format("the file in inode {} is too large", file.inode))
        .Found(file.size)
        .Allowed(fmt::format("0 to {}", most));
  }
  PLATTER_CHECK(state_->CheckPlain(file.inode));
  ext2_file_t handle = nullptr;
  auto code = ext2fs_file_open(state_->fs, file.inode, 0, &handle);
  if (code != 0) return state_->Failure(code, fmt::format("opening inode {}", file.inode));
  const std::unique_ptr<ext2_file, decltype(&ext2fs_file_close)> closer(handle, ext2fs_file_close);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::uint64_t done = 0; done < file.size;) {
    unsigned got = 0;
    code = ext2fs_file_read(handle, buffer.data(), static_cast<unsigned>(buffer.size()), &got);
    if (code != 0) return state_->Failure(code, fmt::format("reading inode {} at {}", file.inode, done));
    if (got == 0) return Error(ErrorKind::kCorrupt, fmt::format("inode {} ends at {}", file.inode, done));
    // Of a file that lies in its inode libext2fs delivers all 60 bytes that there are.
    const auto length = std::min<std::uint64_t>(got, file.size - done);
    PLATTER_CHECK(take(std::span(buffer).first(length)));
    done += length;
  }
  return Done{};
}

}  // namespace platter::ext
