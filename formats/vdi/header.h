// The VDI header as a value.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/vdi/layout.h"
#include "formats/vdi/uuid.h"

namespace platter::vdi {

enum class ImageType : std::uint32_t { kDynamic = 1, kStatic = 2, kUndo = 3, kDifferencing = 4 };

// "dynamic", "static", ...
const char* TypeName(ImageType type) noexcept;

struct Header {
  std::string text;  // of the pre-header, without what follows its line's end
  std::uint16_t major_version = 1;
  std::uint16_t minor_version = 1;
  std::uint32_t header_size = kMinHeaderSize;  // bytes, as the field counts
  ImageType type = ImageType::kDynamic;
  std::uint32_t flags = 0;
  std::string comment;
  std::uint64_t map_offset = 0;   // host bytes
  std::uint64_t data_offset = 0;  // host bytes
  std::uint32_t cylinders = 0;
  std::uint32_t heads = 0;
  std::uint32_t sectors = 0;
  std::uint64_t virtual_size = 0;  // guest bytes, whole sectors
  std::uint32_t block_size = kDefaultBlockSize;
  std::uint32_t block_extra = 0;  // host bytes in front of each block
  std::uint32_t blocks = 0;       // entries of the map
  std::uint32_t allocated_blocks = 0;
  Uuid creation_uuid{};
  Uuid modification_uuid{};
  Uuid linkage_uuid{};  // the parent's creation_uuid
  Uuid parent_modification_uuid{};

  bool has_parent() const noexcept { return type == ImageType::kUndo || type == ImageType::kDifferencing; }
  std::uint64_t stride() const noexcept { return std::uint64_t{block_extra} + block_size; }
  std::uint64_t map_bytes() const noexcept { return std::uint64_t{blocks} * kEntrySize; }
  std::uint64_t EntryOffset(std::uint64_t block) const noexcept { return map_offset + block * kEntrySize; }
  // Where the guest's bytes of the block at place `index` begin, in host bytes.
  std::uint64_t HostOffset(std::uint64_t index) const noexcept { return data_offset + index * stride() + block_extra; }
  // Guest bytes of block `block` that the disk has; the last one may be cut off.
  std::uint64_t GuestBytes(std::uint64_t block) const noexcept;
};

// `head`: the first kMaxHeaderSize bytes, or all of a shorter file; `file_size` in bytes. In qemu's dialect also what
// qemu cannot read is refused, in its words. kNotThisFormat, kUnsupported, kCorrupt.
Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size, Dialect dialect);

// The bytes up to the block map. Requires: version 1, map_offset at least 512.
std::vector<std::byte> SerializeHeader(const Header& header);

}  // namespace platter::vdi
