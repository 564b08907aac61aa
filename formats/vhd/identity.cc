#include "formats/vhd/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <random>

namespace platter::vhd {
namespace {

constexpr bool IsDashPlace(std::size_t byte) noexcept { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

// Unix time; empty when it is not set, or no number.
std::optional<std::uint64_t> SourceDateEpoch() {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// splitmix64's mixing step.
std::uint64_t Mix(std::uint64_t value) noexcept {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
  value = (value ^ value >> 27) * 0x94D049BB133111EB;
  return value ^ value >> 31;
}

}  // namespace

std::string FormatId(const UniqueId& id) {
  if (std::ranges::all_of(id, [](std::byte b) { return b == std::byte{0}; })) return "";
  std::string text;
  for (std::size_t at = 0; at < id.size(); ++at) {
    if (IsDashPlace(at)) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(id[at]));
  }
  return text;
}

std::optional<UniqueId> ParseId(std::string_view text) noexcept {
  UniqueId id{};
  for (std::size_t at = 0; at < id.size(); ++at) {
    if (IsDashPlace(at)) {
      if (!text.starts_with('-')) return std::nullopt;
      text.remove_prefix(1);
    }
    unsigned value = 0;
    if (text.size() < 2 || std::from_chars(text.data(), text.data() + 2, value, 16).ptr != text.data() + 2) {
      return std::nullopt;
    }
    id[at] = static_cast<std::byte>(value);
    text.remove_prefix(2);
  }
  return text.empty() && id != UniqueId{} ? std::optional(id) : std::nullopt;
}

UniqueId NewId(std::string_view seed) {
  std::uint64_t words[2];
  if (const auto epoch = SourceDateEpoch()) {
    std::uint64_t state = Mix(*epoch);
    for (const char letter : seed) state = Mix(state ^ static_cast<unsigned char>(letter));
    words[0] = state;
    words[1] = Mix(state);
  } else {
    std::random_device device;
    for (std::uint64_t& word : words) word = std::uint64_t{device()} << 32 | device();
  }
  UniqueId id{};
  StoreBe(id.data(), words[0]);
  StoreBe(id.data() + 8, words[1]);
  id[6] = (id[6] & std::byte{0x0F}) | std::byte{0x40};  // RFC 4122, version 4
  id[8] = (id[8] & std::byte{0x3F}) | std::byte{0x80};
  return id;
}

std::uint32_t CreationTimeStamp() {
  const std::uint64_t now = SourceDateEpoch().value_or(static_cast<std::uint64_t>(std::time(nullptr)));
  return static_cast<std::uint32_t>(std::max(now, kEpoch) - kEpoch);
}

}  // namespace platter::vhd
