#include "formats/vmdk/probe.h"

#include <string_view>

#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/layout.h"

namespace platter::vmdk {
namespace {

constexpr std::size_t kQemuProbeBytes = 512;

bool HasMagic(const ProbeInput& input) noexcept {
  if (input.head.size() < 4) return false;
  const auto magic = LoadLe<std::uint32_t>(input.head.data());
  return magic == kSparseMagic || magic == kCowdMagic;
}

std::string_view TextOf(const ProbeInput& input) noexcept {
  return {reinterpret_cast<const char*>(input.head.data()), input.head.size()};
}

}  // namespace

Likeness Probe(const ProbeInput& input) noexcept {
  return HasMagic(input) || LooksLikeDescriptor(TextOf(input)) ? Likeness::kCertain : Likeness::kNo;
}

Likeness ProbeAsQemu(const ProbeInput& input) noexcept {
  const bool like = HasMagic(input) || LooksLikeDescriptorToQemu(TextOf(input).substr(0, kQemuProbeBytes));
  return like ? Likeness::kCertain : Likeness::kNo;
}

}  // namespace platter::vmdk
