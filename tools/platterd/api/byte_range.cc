#include "tools/platterd/api/byte_range.h"

#include <algorithm>
#include <charconv>

namespace platter::platterd {
namespace {

Error Unsatisfiable() { return Error(ErrorKind::kOutOfRange, "Invalid range header."); }

std::optional<std::uint64_t> Number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Bytes first to last, both included, of which the file may hold a part.
Result<ByteSpan> Span(std::uint64_t first, std::uint64_t last, std::uint64_t size) {
  if (first > last || first >= size) return Unsatisfiable();
  return ByteSpan{.offset = first, .length = std::min(last, size - 1) - first + 1};
}

}  // namespace

Result<ByteSpan> ParseRange(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (text.find(',') != std::string_view::npos) {
    return Error(
        ErrorKind::kInvalid,
        "Requests with multiple ranges are not supported. You may make multiple single-range requests instead.");
  }
  if (!text.starts_with(kUnit)) return Unsatisfiable();
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return Unsatisfiable();
  const auto first = Number(text.substr(0, dash));
  const auto last = Number(text.substr(dash + 1));
  if (dash == 0) {
    // The last so many bytes.
    if (!last || *last == 0 || size == 0) return Unsatisfiable();
    return ByteSpan{.offset = size - std::min(*last, size), .length = std::min(*last, size)};
  }
  if (!first || (!last && dash + 1 != text.size())) return Unsatisfiable();
  return Span(*first, last.value_or(UINT64_MAX), size);
}

Result<ByteSpan> ParseContentRange(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return Unsatisfiable();
  text.remove_prefix(kUnit.size());
  text = text.substr(0, text.find('/'));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return Unsatisfiable();
  const auto first = Number(text.substr(0, dash));
  const auto last = Number(text.substr(dash + 1));
  if (!first || !last || *last >= size) return Unsatisfiable();
  return Span(*first, *last, size);
}

}  // namespace platter::platterd
