// Walker: turns the sources' extents into windows, the pieces of work of a copy.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "formats/core/chain.h"
#include "formats/core/extent.h"
#include "formats/core/result.h"

namespace platter::copy {

// What a source ends with that another one follows.
constexpr std::uint64_t kSectorSize = 512;

// How the host moves bytes from file to file, without a trip through our memory.
enum class HostMove : std::uint8_t {
  kCopy,     // Storage::CopyInHost
  kReflink,  // Storage::Reflink
};

// A stretch of the target's guest disk that comes from one place.
struct Segment {
  enum class Kind : std::uint8_t {
    kData,     // read it from `source`
    kZero,     // reads as zero
    kBacking,  // the target's backing file has it
  };
  Kind kind = Kind::kZero;
  std::uint64_t offset = 0;  // guest bytes of the target
  std::uint64_t length = 0;
  // For kData:
  const Chain* source = nullptr;
  std::size_t depth = 0;                        // the source's layer that holds the bytes
  std::uint64_t source_offset = 0;              // guest bytes of `source`
  std::optional<HostSpot> host = std::nullopt;  // where they lie verbatim
  bool packed = false;                          // whole compressed units that can move as they are
  std::optional<HostMove> move = std::nullopt;  // the host moves them

  std::uint64_t end() const noexcept { return offset + length; }
  // Data that comes by without being read.
  bool unseen() const noexcept { return packed || move.has_value(); }
};

// One ticket's worth of work. Windows tile the disk in the order of their tickets.
struct Window {
  std::uint64_t ticket = 0;
  std::uint64_t offset = 0;  // guest bytes, aligned as WalkRules says
  std::uint64_t length = 0;
  std::vector<Segment> segments;  // tile the window; neighbours differ
  bool has_data = false;

  std::uint64_t end() const noexcept { return offset + length; }
};

struct WalkRules {
  std::uint64_t window_bytes = 0;  // a window with data is at most this long; a multiple of `alignment`
  std::uint64_t alignment = 0;     // windows start at multiples of it, a power of two
  std::uint64_t longest_zero = 0;  // a window without data is at most this long; a multiple of `alignment`
  bool zeros_are_data = false;     // windows without data do not exist but where the backing file has everything
  bool keep_host_spots = false;    // segments end where host contiguity ends
  std::optional<Packing> packing = std::nullopt;  // compressed units of that kind are segments of their own
  std::size_t layers_above = 0;                   // 0: the target has no backing file
  std::uint64_t backing_size = 0;                 // guest bytes of the target's backing file
  const Chain* tail = nullptr;                    // what follows the sources in the target, may be null
  std::uint64_t target_size = 0;                  // guest bytes; at least the sources' total
  const std::atomic<bool>* cancel = nullptr;
  // Null, or: called for metadata that cannot be mapped, which then counts as zeros.
  std::function<void(std::uint64_t guest_offset, const Error& error)> on_map_error = nullptr;
};

// For one thread at a time.
class Walker {
 public:
  Walker(std::span<const Chain* const> sources, const WalkRules& rules);

  // Guest bytes that all windows together cover.
  std::uint64_t total() const noexcept { return total_; }
  // Fills `window`, ticket and all; false at the end. On an error window.ticket is the ticket that would have come.
  Result<bool> Next(Window& window);

 private:
  Result<> Refill();
  Result<Segment> MapNext();
  Segment Unmappable(const Chain& source, std::uint64_t at, const Error& error);
  Segment TailSegment() const;
  std::uint64_t RoomOf(std::size_t source) const;
  Segment Classify(const Chain& source, const Extent& extent) const;
  void MarkPacked(const Extent& extent, Segment& segment) const;
  bool MakesWindow(std::uint64_t from) const;
  void Take(Window& window, std::uint64_t length);

  std::vector<const Chain*> sources_;
  WalkRules rules_;
  std::uint64_t sources_end_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t next_ticket_ = 0;
  std::size_t source_ = 0;            // the source that `mapped_` lies in
  std::uint64_t source_start_ = 0;    // its offset in the target
  std::uint64_t mapped_ = 0;          // guest bytes that have been mapped
  std::optional<Segment> pending_;    // mapped, not yet in a window
  std::optional<Segment> lookahead_;  // mapped while joining, follows `pending_`
};

}  // namespace platter::copy
