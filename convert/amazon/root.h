// Which part of a disk is the root file system, and where its kernel lies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/amazon/file_system.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ext/file_system.h"

namespace platter::amazon {

// A file system on a disk.
struct Volume {
  std::uint32_t partition = 0;  // its number; 0: the whole disk
  std::shared_ptr<Storage> bytes;
  FileSystem about;
  std::shared_ptr<ext::FileSystem> files;  // null unless it is ext and can be opened
  std::string trouble;                     // why an ext file system could not be opened
  int likeness = 0;                        // how much it looks like a root; below 0: it is something else

  std::string Name() const;  // "partition 2 (ext4)", "the whole disk (xfs)"
};

struct RootChoice {
  Volume root;
  std::vector<Volume> others;  // where a separate /boot may be
};

// `partition`: the number of the root partition, where the caller knows it. kInvalid when there is no such partition,
// no file system that we know, or several that may be the root, each with a remedy; kCorrupt for a root that its
// partition is too small for, and for damaged partition tables; kIo.
Result<RootChoice> FindRoot(const std::shared_ptr<Storage>& disk, std::optional<std::uint32_t> partition);

// A file in one of the volumes.
struct BootFile {
  std::string path;
  std::uint32_t partition = 0;
  std::shared_ptr<ext::FileSystem> files;
  ext::File file;
};

struct BootFiles {
  std::string version;  // "" for a kernel whose name has none
  BootFile kernel;
  std::optional<BootFile> ramdisk;  // empty: the kernel has none beside it
};

// The kernel of /boot, be it a folder of the root or a partition of its own: the newest, or the one that `wanted` names
// by version, file name or path. /vmlinuz and /initrd.img serve where no name has a version. kUnsupported when no
// volume with a kernel can be read (xfs, btrfs), kInvalid when there is none; errors of ext::FileSystem.
Result<BootFiles> FindBootFiles(const RootChoice& choice, const std::string& wanted);

// Versions as dpkg compares them: digits by value, '~' before the end. Below 0 when `a` is older.
int CompareVersions(std::string_view a, std::string_view b) noexcept;

}  // namespace platter::amazon
