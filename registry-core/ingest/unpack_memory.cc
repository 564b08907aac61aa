#include "registry-core/ingest/unpack_memory.h"

#include <algorithm>

namespace platter::registry {

UnpackMemory::UnpackMemory(std::uint64_t bytes) noexcept
    : all_(bytes), share_(std::max(bytes / 4, kMostUnpackMemory)) {}

std::shared_ptr<MemoryBudget> UnpackMemory::Of(const std::string& owner) {
  if (owner.empty()) return {std::shared_ptr<void>(), &all_};
  const std::lock_guard lock(mutex_);
  std::erase_if(parts_, [](const auto& part) { return part.second.expired(); });
  std::weak_ptr<MemoryBudget>& known = parts_[owner];
  std::shared_ptr<MemoryBudget> part = known.lock();
  if (!part) {
    part = std::make_shared<MemoryBudget>(share_, &all_);
    known = part;
  }
  return part;
}

}  // namespace platter::registry
