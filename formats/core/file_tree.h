// FileTree: the files on a guest disk, where its content is a file system that we read (ISO 9660, UDF). For listing and
// extracting; nothing is ever written through it.
//
// Everything in a TreeEntry comes from the image and is untrusted: a name may hold "/", be "..", or repeat.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

enum class FileKind : std::uint8_t {
  kRegular,
  kDirectory,
  kSymbolicLink,
  kBlockDevice,
  kCharacterDevice,
  kPipe,
  kSocket,
};

// "file", "directory", "symlink", ...
std::string_view FileKindName(FileKind kind) noexcept;

struct TreeEntry {
  std::string name;           // one component as stored, bytes of any kind; "" of the root
  std::uint64_t node = 0;     // the tree's own name of the object
  std::uint64_t inode = 0;    // equal for two entries of one directory: how loops are found
  std::uint64_t size = 0;     // bytes of a regular file's content
  std::int64_t modified = 0;  // Unix time, seconds
  std::string target;         // of a symbolic link, as stored
  std::string damage;         // what the image says wrongly of the entry; "" when nothing. The rest of it counts
  std::uint32_t mode = 0;     // permission bits, 07777 at most
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t links = 1;
  FileKind kind = FileKind::kRegular;
};

// Not thread-safe, but for ReadAt of the files that it opened. Shares ownership of what it reads from.
class FileTree {
 public:
  // Called for each entry; false ends the listing.
  using Visit = std::function<Result<bool>(const TreeEntry&)>;

  virtual ~FileTree() = default;
  FileTree() = default;
  FileTree(const FileTree&) = delete;
  FileTree& operator=(const FileTree&) = delete;

  // Which file system's names these are: "rock-ridge", "joliet", "iso9660", "udf".
  virtual std::string_view kind() const noexcept = 0;
  virtual Result<TreeEntry> Root() = 0;
  // Every entry of a directory of this tree but "." and "..", in stored order; what is wrong with one of them is its
  // `damage`, and a symbolic link whose target cannot be read has none. kInvalid when it is no directory;
  // kCorrupt, behind all entries that can be found, where there may be more. Memory does not grow with the directory.
  virtual Result<> List(const TreeEntry& directory, const Visit& visit) = 0;
  // The content of a regular file of this tree, as a read-only Storage of its size. kInvalid for anything else,
  // kUnsupported where the content is stored in a way that is not read.
  virtual Result<std::shared_ptr<Storage>> OpenFile(const TreeEntry& file) = 0;
};

// The entry at `path`: components between slashes, from the root whether or not it starts with one; "" is the root.
// Symbolic links on the way are followed inside the tree, never outside; the last component's only when `follow_last`.
// kInvalid when there is none, or when a component is no directory; kCorrupt behind a link whose target is damaged.
Result<TreeEntry> FindEntry(FileTree& tree, std::string_view path, bool follow_last);

// What a walk reports. All three are set.
struct TreeVisitor {
  // A directory whose entries come next, with its path below the start: "" or "a/b".
  std::function<Result<>(const std::string& path, const TreeEntry& directory)> enter;
  // An entry of that directory; false: where it is a directory, it is not gone into.
  std::function<Result<bool>(const std::string& path, const TreeEntry& entry)> entry;
  // A directory that could not be read to its end, or that has been walked already; the walk goes on.
  std::function<void(const std::string& path, const Error& error)> broken;
};

// Walks `top`, a directory, and all below it, parents before their children; `path` is what its own path is called.
// Every directory is walked once. kLimit when what is still to be walked, or the list of what has been, takes more than
// limits.metadata_bytes, or below 1000 levels; errors of `enter` and `entry` end the walk.
Result<> WalkTree(FileTree& tree, const TreeEntry& top, const std::string& path, const Limits& limits,
                  const TreeVisitor& visitor);

}  // namespace platter
