// Extent: a run of guest bytes of one kind. info, map, measure, compare, copy and hashing all work from this type.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

namespace platter {

class Storage;

enum class BlockStatus : std::uint8_t {
  kData,         // bytes stored in this layer, maybe compressed: call ReadAt
  kZero,         // this layer says: reads as zero, whatever is below
  kUnallocated,  // this layer says nothing: the layer below decides; at the bottom, reads as zero
};

// Where guest bytes lie verbatim. Borrowed from the image, valid as long as it is open.
struct HostSpot {
  const Storage* file = nullptr;
  std::uint64_t offset = 0;  // host bytes
  friend bool operator==(const HostSpot&, const HostSpot&) = default;
};

// A driver's answer about its own layer, from the guest offset that was asked about.
struct LayerExtent {
  std::uint64_t length = 0;  // guest bytes, 1..range.length; may stop early, never lies
  BlockStatus status = BlockStatus::kData;
  // Set for kData whose bytes lie verbatim in a file, and for the others where a place on the host is kept for the
  // range (of kUnallocated: a subcluster of an allocated cluster).
  std::optional<HostSpot> host = std::nullopt;
  bool compressed = false;  // kData that ReadAt has to inflate
  // kData whose host bytes may be a hole: the image preallocated clusters without writing them.
  bool maybe_hole = false;
};

// The whole chain's answer.
struct Extent {
  std::uint64_t offset = 0;  // guest bytes
  std::uint64_t length = 0;  // guest bytes
  BlockStatus status = BlockStatus::kData;
  std::uint16_t depth = 0;                      // the layer that decided, 0 = top; the number of layers when nobody did
  std::optional<HostSpot> host = std::nullopt;  // of kUnallocated: in the last layer that was asked
  bool compressed = false;
  bool maybe_hole = false;

  std::uint64_t end() const noexcept { return offset + length; }
  // True when `next` continues this extent: same kind, same layer, adjacent on both sides.
  bool Continues(const Extent& next) const noexcept {
    const bool same = end() == next.offset && status == next.status && depth == next.depth &&
                      compressed == next.compressed && maybe_hole == next.maybe_hole &&
                      host.has_value() == next.host.has_value();
    return same && (!host || (host->file == next.host->file && host->offset + length == next.host->offset));
  }
};

}  // namespace platter
