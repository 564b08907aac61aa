#include "tools/platter-hook/cpu_budget.h"

#include <algorithm>

#include "formats/containers/codec/unpacked_storage.h"
#include "tools/platter-hook/sandbox.h"

namespace platter::hook {

std::uint64_t CpuBudget::MostOf(std::uint64_t size) noexcept {
  return size / kReadPerSecond + codec::MostUnpacked(size, {}) / kUnpackedPerSecond;
}

void CpuBudget::AddRead(std::uint64_t bytes) noexcept {
  read_ += bytes;
  Extend();
}

void CpuBudget::AddUnpacked(std::uint64_t bytes) noexcept {
  unpacked_ += bytes;
  Extend();
}

void CpuBudget::Extend() noexcept {
  const std::uint64_t unpacked = std::min(unpacked_, codec::MostUnpacked(read_, {}));
  const std::uint64_t earned = read_ / kReadPerSecond + unpacked / kUnpackedPerSecond;
  if (earned <= given_) return;
  ExtendCpuLimit(earned - given_);
  given_ = earned;
}

}  // namespace platter::hook
