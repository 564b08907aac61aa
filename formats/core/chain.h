// Chain: the guest disk as a guest sees it, all layers flattened. Everything above formats/ talks to a Chain.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/core/image.h"
#include "formats/core/result.h"

namespace platter {

// Thread-safe for Map and ReadAt. Shares ownership of its layers.
class Chain {
 public:
  // `layers` top first, at least one.
  explicit Chain(std::vector<std::shared_ptr<Image>> layers);

  std::uint64_t virtual_size() const noexcept;  // guest bytes, the top layer's
  std::size_t depth() const noexcept { return layers_.size(); }
  Image& layer(std::size_t depth) const { return *layers_[depth]; }
  const std::vector<std::shared_ptr<Image>>& layers() const noexcept { return layers_; }

  // The extent at `guest_offset`, not longer than `length`. Past the end of a shorter backing layer nobody decides:
  // kUnallocated, which reads as zero. kOutOfRange as Image::Map.
  Result<Extent> Map(std::uint64_t guest_offset, std::uint64_t length) const;
  // As Map, with adjacent extents of one kind joined up to `length`.
  Result<Extent> MapJoined(std::uint64_t guest_offset, std::uint64_t length) const;
  // As Map, of the layers above `depth` only.
  Result<Extent> MapAbove(std::size_t depth, std::uint64_t guest_offset, std::uint64_t length) const;
  // What the guest reads. All of `out` or an error.
  Result<> ReadAt(std::uint64_t guest_offset, std::span<std::byte> out) const;

 private:
  std::vector<std::shared_ptr<Image>> layers_;
};

}  // namespace platter
