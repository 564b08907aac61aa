// Copies that stay in the host's kernel, without a trip through our memory: blocks that two files share (FICLONERANGE),
// and bytes that the host copies (copy_file_range).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "convert/copy/walker.h"
#include "formats/core/writer.h"

namespace platter::copy {

enum class HostMove : std::uint8_t {
  kCopy,     // Storage::CopyInHost
  kReflink,  // Storage::Reflink
};

// True when every data byte of the window lies verbatim in a file of the host, in whole units of the target.
bool LiesVerbatim(const Window& window, std::uint64_t unit);

// Which files can share blocks with the target, and in what units. For one thread at a time.
class Reflinks {
 public:
  // `target`: the file that payload goes to, or one beside it; null: nothing is shared. `host_alignment`: the writer's.
  Reflinks(const Storage* target, std::uint64_t host_alignment);

  // Whether there can be any.
  bool possible() const noexcept { return target_ != nullptr; }
  // The host refused after all.
  void GiveUp() noexcept { target_ = nullptr; }
  // True when all data of the window lies on blocks that the target can share. Requires: LiesVerbatim.
  bool Fit(const Window& window);

 private:
  std::uint64_t UnitWith(const Storage& source);

  const Storage* target_;
  std::uint64_t host_alignment_;
  std::vector<std::pair<const Storage*, std::uint64_t>> units_;  // by source file
};

// Lets the host move the payload of batch.writes from where `window` says that it lies; what it has moved is taken out
// of batch.writes. False when it cannot (another file system, a cursed descriptor), and batch.writes is as it was: the
// caller then reads and stores as usual, which rewrites whatever was moved. Requires: LiesVerbatim.
bool StoreInKernel(const Window& window, HostMove move, Batch& batch);

}  // namespace platter::copy
