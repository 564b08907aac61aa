#include "formats/containers/codec/allocation.h"

#include <cstdlib>
#include <cstring>

#include "formats/core/checked.h"

namespace platter::codec {
namespace {

// In front of each piece lies its length.
constexpr std::size_t kFront = alignof(std::max_align_t);
static_assert(kFront >= sizeof(std::size_t));

}  // namespace

void* AllocateWithin(MemoryBudget* budget, std::size_t bytes) noexcept {
  const auto whole = CheckedAdd(bytes, kFront);
  if (!whole || (budget != nullptr && !budget->Take(*whole))) return nullptr;
  auto* front = static_cast<std::byte*>(std::malloc(*whole));
  if (front == nullptr) {
    if (budget != nullptr) budget->Give(*whole);
    return nullptr;
  }
  std::memcpy(front, &*whole, sizeof(*whole));
  return front + kFront;
}

void FreeWithin(MemoryBudget* budget, void* address) noexcept {
  if (address == nullptr) return;
  std::byte* front = static_cast<std::byte*>(address) - kFront;
  std::size_t whole = 0;
  std::memcpy(&whole, front, sizeof(whole));
  std::free(front);
  if (budget != nullptr) budget->Give(whole);
}

}  // namespace platter::codec
