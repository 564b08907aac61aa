// The qcow2 header as a value: parsed from bytes (a pure function, for open and for the streaming inspector alike) and
// serialized back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/core/packing.h"
#include "formats/core/result.h"
#include "formats/qcow2/layout.h"

namespace platter::qcow2 {

struct UnknownExtension {
  std::uint32_t type = 0;
  std::vector<std::byte> data;
};

struct BitmapsPointer {
  std::uint32_t count = 0;
  std::uint64_t directory_size = 0;    // bytes
  std::uint64_t directory_offset = 0;  // host bytes
};

// What the header and its extensions say. Offsets are host bytes.
struct Header {
  std::uint32_t version = 3;
  std::uint32_t cluster_bits = 16;
  std::uint64_t virtual_size = 0;  // guest bytes
  CryptMethod crypt_method = CryptMethod::kNone;
  std::uint32_t l1_size = 0;  // entries
  std::uint64_t l1_table_offset = 0;
  std::uint64_t refcount_table_offset = 0;
  std::uint32_t refcount_table_clusters = 0;
  std::uint32_t snapshot_count = 0;
  std::uint64_t snapshots_offset = 0;
  std::uint64_t incompatible_features = 0;
  std::uint64_t compatible_features = 0;
  std::uint64_t autoclear_features = 0;
  std::uint32_t refcount_order = kDefaultRefcountOrder;
  std::uint32_t header_length = HeaderV3Extended::kSize;
  Compression compression = Compression::kZlib;

  std::string backing_file;              // "" = none
  std::string backing_format;            // "" = not said
  std::optional<std::string> data_file;  // the name in the header, which may be missing or empty
  std::optional<BitmapsPointer> bitmaps;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> luks_header;  // offset, length
  bool feature_names = true;                                           // write the feature name table, as qemu does
  std::vector<UnknownExtension> unknown_extensions;

  std::uint64_t cluster_size() const noexcept { return std::uint64_t{1} << cluster_bits; }
  bool has(std::uint64_t incompatible) const noexcept { return (incompatible_features & incompatible) != 0; }
  bool has_data_file() const noexcept { return has(kIncompatDataFile); }
  bool data_file_raw() const noexcept { return (autoclear_features & kAutoclearRawDataFile) != 0; }
  bool extended_l2() const noexcept { return has(kIncompatExtendedL2); }
  std::uint32_t refcount_bits() const noexcept { return 1U << refcount_order; }

  // Bits that are clear in every standard L2 entry.
  std::uint64_t l2_reserved() const noexcept {
    return kL2Reserved | (version < 3 || extended_l2() ? kAllZero : std::uint64_t{0});
  }
  std::uint64_t l2_entry_size() const noexcept { return extended_l2() ? 16 : 8; }
  std::uint64_t l2_entries() const noexcept { return cluster_size() / l2_entry_size(); }  // per table
  // Guest bytes that one L2 table covers.
  std::uint64_t l2_coverage() const noexcept { return l2_entries() << cluster_bits; }
  // Guest bytes that one allocation bit or entry covers: a subcluster with extended L2, otherwise a cluster.
  std::uint64_t subcluster_size() const noexcept {
    return extended_l2() ? cluster_size() / kSubclusters : cluster_size();
  }
  // L1 entries that `bytes` of guest disk need.
  std::uint64_t l1_entries_for(std::uint64_t bytes) const noexcept;
  // Clusters that one refcount block counts.
  std::uint64_t refcount_block_entries() const noexcept { return cluster_size() * 8 / refcount_bits(); }
  // Compressed L2 entry: bits of the host offset below the sector count (section "Compressed Clusters Descriptor").
  std::uint32_t compressed_offset_bits() const noexcept { return 62 - (cluster_bits - 8); }
};

// A compressed cluster's place on the host.
struct CompressedSpot {
  std::uint64_t offset = 0;  // host bytes, any alignment
  std::uint64_t length = 0;  // bytes up to the end of the last sector; may pass the end of the file
};
CompressedSpot DecodeCompressed(const Header& header, std::uint64_t l2_entry) noexcept;
// Requires: the payload is not empty and fits the descriptor.
std::uint64_t EncodeCompressed(const Header& header, std::uint64_t offset, std::uint64_t length) noexcept;

// How the image stores its compressed clusters; empty where they are too small to be moved by whole sectors.
std::optional<Packing> PackingOf(const Header& header) noexcept;

// How strict the parse is about a damaged image.
enum class Tolerance : std::uint8_t {
  kOpen,   // everything that reading needs is right
  kCheck,  // a missing refcount table, and tables outside the file, are left to the check
};

// Bytes of the file's head that ParseHeader needs for an image with this head: up to the end of the extensions and of
// the backing file's name, as far as `head` shows them. More than it has: read that much, and ask again. At most the
// first cluster. kNotThisFormat, kCorrupt. Requires nothing of `head`, which may be short.
Result<std::uint64_t> HeaderBytesNeeded(std::span<const std::byte> head);

// `head`: the file's first HeaderBytesNeeded bytes or more, or the whole of a shorter file. kNotThisFormat for another
// magic or version 1; kCorrupt for values that contradict the format or the file; kUnsupported for unknown incompatible
// features (by their names from the feature name table).
Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size,
                           Tolerance tolerance = Tolerance::kOpen);

// The header, its extensions and the backing file's name, padded to a whole number of clusters with zeros. kInvalid
// when they do not fit into one cluster.
Result<std::vector<std::byte>> SerializeHeader(const Header& header);

}  // namespace platter::qcow2
