// UnpackMemory: what decoders of compressed content may hold, of all uploads and imports together, and of one owner's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "formats/core/memory_budget.h"

namespace platter::registry {

// For one upload: two decoders with the largest windows (codec::kMostWindow), and what is held for reading in their
// streams.
inline constexpr std::uint64_t kMostUnpackMemory = std::uint64_t{320} << 20;

// Thread-safe.
class UnpackMemory {
 public:
  // Requires: kMostUnpackMemory at least.
  explicit UnpackMemory(std::uint64_t bytes) noexcept;

  // For the images of that owner: a quarter, and enough for one upload. For those of nobody ("") all of it. Not to
  // outlive this.
  std::shared_ptr<MemoryBudget> Of(const std::string& owner);
  MemoryBudget& all() noexcept { return all_; }

 private:
  MemoryBudget all_;
  const std::uint64_t share_;  // bytes
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<MemoryBudget>> parts_;  // by owner; those that are in use, or were
};

}  // namespace platter::registry
