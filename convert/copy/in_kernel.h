// Copies that stay in the host's kernel, without a trip through our memory: blocks that two files share (FICLONERANGE),
// and bytes that the host copies (copy_file_range).
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "convert/copy/walker.h"
#include "formats/core/writer.h"

namespace platter::copy {

// Finds what the host can move, and has it do so. All threads of a copy may use it at once.
class HostMoves {
 public:
  // `reflink_target`: the file that payload goes to, or one beside it; null: nothing is shared. `traits`: the writer's.
  // `copies`: what cannot be shared may be copied.
  HostMoves(const Storage* reflink_target, const WriterTraits& traits, bool copies);

  // Whether there can be any.
  bool possible() const noexcept { return copies_ || shares_.load(std::memory_order_relaxed); }
  // Cuts the window's segments so that what the host can move are segments of their own, with how in Segment::move.
  void Mark(Window& window);
  // Moves what is marked to where batch.writes has it, and takes it out of them; the rest stays. False when the host
  // refuses (another file system, a source that was cut short): batch.writes is as it was and nothing is marked any
  // more. Whoever then reads and stores everything rewrites what was moved.
  bool CarryOut(Window& window, Batch& batch);

 private:
  std::uint64_t ReflinkUnitOf(const Storage& source);
  void Cut(const Segment& segment, std::vector<Segment>& out);

  const Storage* target_;
  GuestSpan looked_at_;
  bool copies_;
  std::atomic<bool> shares_ = false;
  std::mutex units_mutex_;
  std::vector<std::pair<const Storage*, std::uint64_t>> units_;  // by source file
};

}  // namespace platter::copy
