// DiskDescriptor.xml: what a bundle consists of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"

namespace platter::ploop {

inline constexpr std::string_view kDescriptorName = "DiskDescriptor.xml";
// GUIDs are kept in lower case, in braces.
inline constexpr std::string_view kNullGuid = "{00000000-0000-0000-0000-000000000000}";
inline constexpr std::string_view kDefaultTopGuid = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";

struct ImageEntry {
  std::string guid;
  bool plain = false;  // the bytes themselves; otherwise a ploop image
  std::string file;    // as written
};

// A part of the disk, in files of its own.
struct StoragePart {
  std::uint64_t begin = 0;  // guest bytes
  std::uint64_t end = 0;    // guest bytes
  std::uint64_t block_sectors = 0;
  std::vector<ImageEntry> images;  // one for each snapshot and for the active disk
};

struct Shot {
  std::string guid;
  std::string parent;
};

struct Descriptor {
  std::uint64_t virtual_size = 0;  // guest bytes
  std::uint32_t cylinders = 0;
  std::uint32_t heads = 0;
  std::string name;
  std::vector<StoragePart> parts;  // tile the disk, in order
  std::vector<Shot> shots;
  std::string top;  // of the active disk
};

// True for the beginning of a file that is a descriptor.
bool LooksLikeDescriptor(std::span<const std::byte> head) noexcept;

// kNotThisFormat, kCorrupt, kUnsupported (padding, encryption), kLimit.
Result<Descriptor> ParseDescriptor(std::span<const std::byte> text, const Limits& limits);
std::string SerializeDescriptor(const Descriptor& descriptor);

// The GUIDs from `guid` down to the root, `guid` first. kCorrupt for a parent that is missing and for a chain that
// comes back to itself.
Result<std::vector<std::string>> ChainOf(const Descriptor& descriptor, const std::string& guid);

}  // namespace platter::ploop
