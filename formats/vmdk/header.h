// The headers of sparse extents, parsed and checked. Pure: bytes in, values out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/core/result.h"
#include "formats/vmdk/layout.h"

namespace platter::vmdk {

// A hosted sparse extent (monolithicSparse, twoGbMaxExtentSparse, streamOptimized): "KDMV".
struct SparseHeader {
  std::uint32_t version = 1;
  std::uint32_t flags = 0;
  std::uint64_t capacity = 0;           // guest sectors
  std::uint64_t grain_sectors = 0;      // a power of two
  std::uint64_t descriptor_offset = 0;  // sectors; 0: none inside
  std::uint64_t descriptor_size = 0;    // sectors
  std::uint32_t table_entries = kGrainTableEntries;
  std::uint64_t redundant_directory = 0;  // sectors
  std::uint64_t directory = 0;            // sectors, or kDirectoryAtEnd
  std::uint64_t overhead = 0;             // sectors before the first grain
  bool unclean = false;
  std::uint16_t compression = kCompressNone;

  bool compressed() const noexcept { return compression == kCompressDeflate; }
  bool has(std::uint32_t flag) const noexcept { return (flags & flag) != 0; }
  std::uint64_t directory_entries() const noexcept;
  // Whether the capacity is a disk of `sectors`, rounded up within its last grain, as VirtualBox writes it.
  bool RoundsUp(std::uint64_t sectors) const noexcept {
    return sectors < capacity && capacity - sectors < grain_sectors;
  }
};

// A copy-on-write extent of ESX: "COWD".
struct CowdHeader {
  std::uint64_t capacity = 0;       // guest sectors
  std::uint64_t grain_sectors = 0;  // any number but 0
  std::uint64_t directory = 0;      // sectors
  std::uint64_t directory_entries = 0;
};

struct SeSparseHeader {
  std::uint64_t capacity = 0;         // guest sectors
  std::uint64_t volatile_header = 0;  // the offsets and sizes are sectors
  std::uint64_t directory = 0;
  std::uint64_t directory_size = 0;
  std::uint64_t tables = 0;
  std::uint64_t tables_size = 0;
  std::uint64_t grains = 0;
  std::uint64_t grains_size = 0;

  std::uint64_t directory_entries() const noexcept { return directory_size * kSectorSize / kSeSparseEntrySize; }
};

// `head` starts the extent's file. All: kNotThisFormat for another magic, kUnsupported for a newer version, kCorrupt.
// A directory at the end of the file is not looked up here: see ParseTrailer.
Result<SparseHeader> ParseSparseHeader(std::span<const std::byte> head, std::uint64_t file_size);
Result<CowdHeader> ParseCowdHeader(std::span<const std::byte> head, std::uint64_t file_size);
Result<SeSparseHeader> ParseSeSparseHeader(std::span<const std::byte> head, std::uint64_t file_size);
// `bytes` is the volatile header. kUnsupported for a journal that has to be replayed.
Result<> CheckSeSparseVolatile(std::span<const std::byte> bytes, std::uint64_t host_offset);

// The last kTrailerSize bytes of a stream: the footer, which takes the place of `header`. `file_size`: whole sectors.
// kCorrupt when the markers are not there (the stream is cut short), or when the footer describes another disk than the
// header.
Result<SparseHeader> ParseTrailer(std::span<const std::byte> trailer, const SparseHeader& header,
                                  std::uint64_t file_size);

// The bytes of a header. Requires: `out` holds SparseHeaderLayout::kSize.
void EncodeSparseHeader(const SparseHeader& header, std::span<std::byte> out);

}  // namespace platter::vmdk
