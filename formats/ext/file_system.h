// The files of an ext2, ext3 or ext4 file system, read through libext2fs out of any Storage. Never writes, never
// mounts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ext/tree.h"

namespace platter::ext {

struct File {
  enum class Kind : std::uint8_t { kRegular, kFolder, kLink, kOther };
  std::uint32_t inode = 0;
  Kind kind = Kind::kOther;
  std::uint64_t size = 0;  // bytes
};

// Bounds against file systems that were made to keep us busy.
inline constexpr std::size_t kMaxEntries = std::size_t{1} << 18;        // of one folder
inline constexpr unsigned kMaxLinks = 16;                               // symbolic links in one path
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{4} << 30;  // of a file that is read
inline constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 30;      // of everything together

// One thread at a time.
class FileSystem {
 public:
  // kNotThisFormat without a superblock; kCorrupt for one that the volume is too small for, and for what libext2fs
  // finds wrong; kUnsupported for features that it does not know; kLimit; kIo.
  // What reads an encrypted inode's content, names or target is kUnsupported.
  // `budget`: bytes that may be read of it in all; then it runs in circles, and is kCorrupt.
  static Result<std::unique_ptr<FileSystem>> Open(std::shared_ptr<Storage> volume, std::uint64_t budget = kMaxBytes);
  ~FileSystem();
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;

  // Whether its journal holds what was not brought to its place, and is therefore not seen here.
  bool journal_pending() const noexcept;

  // What `path` names from the root, symbolic links followed; empty where there is no such file, or a link leads
  // nowhere or in circles.
  Result<std::optional<File>> Find(std::string_view path);
  // As Find, but a link at the end of the path stands for itself.
  Result<std::optional<File>> FindLink(std::string_view path);
  // The names in a folder, in its own order, without "." and "..".
  Result<std::vector<std::string>> List(const File& folder);
  // Where a symbolic link points.
  Result<std::string> ReadLink(const File& link);
  // Hands the file to `take` from its first byte to its last, in pieces of up to 1 MiB. kLimit beyond `most` bytes.
  Result<> Read(const File& file, const std::function<Result<>(std::span<const std::byte>)>& take,
                std::uint64_t most = kMaxFileBytes);

  // For whoever copies all of it. The root's inode:
  static constexpr std::uint32_t kRoot = 2;
  // As File, with everything that an inode says; `links` as stored. Access control lists are as Linux gives them to
  // programs. kCorrupt for a kind that is none.
  Result<TreeInode> ReadInode(std::uint32_t inode);
  // The entries of a folder, in its own order, without "." and "..".
  Result<std::vector<std::pair<std::string, std::uint32_t>>> Entries(std::uint32_t folder);

 private:
  struct State;
  explicit FileSystem(std::unique_ptr<State> state);

  Result<std::optional<File>> Lookup(std::string_view path, bool follow_last);
  Result<std::optional<std::uint32_t>> FindEntry(std::uint32_t folder, std::string_view name);
  Result<File> Describe(std::uint32_t inode);
  Result<std::vector<std::pair<std::string, std::string>>> ReadAttributes(std::uint32_t inode);

  std::unique_ptr<State> state_;
};

}  // namespace platter::ext
