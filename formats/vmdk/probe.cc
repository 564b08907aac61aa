#include "formats/vmdk/probe.h"

#include <algorithm>
#include <array>
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

// Only comments, and lines of nothing but blanks, stand before a line that is exactly this.
bool LooksLikeDescriptorToQemu(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 6> kFirstLines = {"version=1\n",   "version=2\n",   "version=3\n",
                                                           "version=1\r\n", "version=2\r\n", "version=3\r\n"};
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool blanks = line.starts_with(' ') && line.find_first_not_of(' ') == std::string_view::npos;
    if (!text.starts_with('#') && !(blanks && end != std::string_view::npos)) break;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return std::ranges::any_of(kFirstLines, [&](std::string_view line) { return text.starts_with(line); });
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
