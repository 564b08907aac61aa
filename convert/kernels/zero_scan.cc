#include "convert/kernels/zero_scan.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "convert/kernels/zero_scan.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace platter::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

std::size_t FindNonZero(const std::uint8_t* bytes, std::size_t count) {
  const hn::ScalableTag<std::uint8_t> tag;
  const std::size_t lanes = hn::Lanes(tag);
  std::size_t at = 0;
  // Four vectors per branch: one load port short of what memory delivers, and still out early on dirty data.
  for (; at + 4 * lanes <= count; at += 4 * lanes) {
    const auto low = hn::Or(hn::LoadU(tag, bytes + at), hn::LoadU(tag, bytes + at + lanes));
    const auto high = hn::Or(hn::LoadU(tag, bytes + at + 2 * lanes), hn::LoadU(tag, bytes + at + 3 * lanes));
    if (!hn::AllTrue(tag, hn::Eq(hn::Or(low, high), hn::Zero(tag)))) break;
  }
  for (; at + lanes <= count; at += lanes) {
    const auto dirty = hn::Ne(hn::LoadU(tag, bytes + at), hn::Zero(tag));
    const auto first = hn::FindFirstTrue(tag, dirty);
    if (first >= 0) return at + static_cast<std::size_t>(first);
  }
  while (at < count && bytes[at] == 0) ++at;
  return at;
}

}  // namespace platter::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace platter::kernels {

HWY_EXPORT(FindNonZero);

std::size_t FindNonZero(std::span<const std::byte> data) noexcept {
  return HWY_DYNAMIC_DISPATCH(FindNonZero)(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
}

std::size_t FindNonZeroReference(std::span<const std::byte> data) noexcept {
  std::size_t at = 0;
  while (at < data.size() && data[at] == std::byte{0}) ++at;
  return at;
}

}  // namespace platter::kernels
#endif
