#include "formats/containers/ovf/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <string>

#include "formats/core/checked.h"

namespace platter::ovf {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

struct Word {
  std::string_view text;
  unsigned shift;
};
// Of OVF 0.9 and of tools that kept to it.
constexpr std::array kWords = {
    Word{"bytes", 0},      Word{"kb", 10},        Word{"kilobyte", 10},  Word{"kilobytes", 10}, Word{"kib", 10},
    Word{"mb", 20},        Word{"megabyte", 20},  Word{"megabytes", 20}, Word{"mib", 20},       Word{"gb", 30},
    Word{"gigabyte", 30},  Word{"gigabytes", 30}, Word{"gib", 30},       Word{"tb", 40},        Word{"terabyte", 40},
    Word{"terabytes", 40}, Word{"tib", 40},
};

std::optional<std::uint64_t> ParseNumber(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc() && end == text.data() + text.size() && number <= kLargest;
  return whole ? std::optional(number) : std::nullopt;
}

// "2^30" or "1024".
std::optional<std::uint64_t> ParseFactor(std::string_view text) noexcept {
  const std::size_t caret = text.find('^');
  const auto base = ParseNumber(text.substr(0, caret));
  if (!base || caret == std::string_view::npos) return base;
  const auto exponent = ParseNumber(text.substr(caret + 1));
  if (!exponent || (*base != 2 && *base != 10)) return std::nullopt;
  std::optional<std::uint64_t> factor = 1;
  for (std::uint64_t turn = 0; turn < *exponent && factor; ++turn) {
    factor = CheckedMultiply(*factor, *base);
    if (factor && *factor > kLargest) factor.reset();
  }
  return factor;
}

}  // namespace

std::optional<std::uint64_t> ParseUnit(std::string_view text) noexcept {
  std::array<char, 32> letters{};
  std::size_t length = 0;
  for (const char letter : text) {
    if (std::isspace(static_cast<unsigned char>(letter)) != 0) continue;
    if (length == letters.size()) return std::nullopt;
    letters[length++] = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  const std::string_view unit(letters.data(), length);
  if (unit.empty() || unit == "byte") return 1;
  if (unit.starts_with("byte*")) return ParseFactor(unit.substr(5));
  const auto* word = std::ranges::find(kWords, unit, &Word::text);
  return word == kWords.end() ? std::nullopt : std::optional(std::uint64_t{1} << word->shift);
}

Result<std::uint64_t> ParseSize(std::string_view number, std::string_view unit, std::string_view field) {
  const auto wrong = [&](const char* what, std::string_view found, const char* allowed) {
    return Error(ErrorKind::kCorrupt, what)
        .At("OVF descriptor", std::string(field))
        .Found(std::string(found.substr(0, 64)))
        .Allowed(allowed);
  };
  const auto count = ParseNumber(number);
  if (!count) return wrong("not a size", number, "a number from 0 to 9223372036854775807");
  const auto each = ParseUnit(unit);
  if (!each) return wrong("not a unit of sizes", unit, "byte * 2^N or byte * 10^N");
  const auto size = CheckedMultiply(*count, *each);
  if (!size || *size > kLargest) return wrong("the size is too large", number, "at most 9223372036854775807 bytes");
  return *size;
}

}  // namespace platter::ovf
