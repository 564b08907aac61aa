#include "formats/core/json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace platter {
namespace {

struct CodePoint {
  std::uint32_t value = 0xFFFD;
  std::size_t length = 1;  // bytes
};

// The code point at the front of `text`; U+FFFD for one byte of what is no UTF-8.
CodePoint FrontCodePoint(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  std::uint32_t value = first & (0xFFU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(at) & 0x3F);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

void AppendEscaped(std::string& out, std::uint32_t code) {
  constexpr std::string_view kPlain = "\b\f\n\r\t\"\\";
  constexpr std::string_view kLetters = "bfnrt\"\\";
  const std::size_t special = code < 0x80 ? kPlain.find(static_cast<char>(code)) : std::string_view::npos;
  if (special != std::string_view::npos) {
    out += '\\';
    out += kLetters[special];
  } else if (code >= 0x20 && code < 0x7F) {
    out += static_cast<char>(code);
  } else if (code < 0x10000) {
    fmt::format_to(std::back_inserter(out), "\\u{:04X}", code);
  } else {
    const std::uint32_t rest = code - 0x10000;
    fmt::format_to(std::back_inserter(out), "\\u{:04X}\\u{:04X}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  }
}

// A character that stands for itself.
bool IsPlain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

void AppendString(std::string& out, std::string_view text) {
  out += '"';
  while (true) {
    const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, IsPlain) - text.begin());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const CodePoint front = FrontCodePoint(text);
    AppendEscaped(out, front.value);
    text.remove_prefix(front.length);
  }
  out += '"';
}

}  // namespace

std::string JsonString(std::string_view text) {
  std::string out;
  AppendString(out, text);
  return out;
}

std::string PlainText(std::string_view text, std::size_t most_bytes) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  constexpr std::string_view kMore = "...";
  std::string out;
  std::size_t cut = 0;  // of `out`, where there is room for kMore
  while (!text.empty()) {
    const CodePoint front = FrontCodePoint(text);
    const bool control = front.value < 0x20 || (front.value >= 0x7F && front.value < 0xA0);
    out += control || front.value == 0xFFFD ? kReplacement : text.substr(0, front.length);
    text.remove_prefix(front.length);
    if (out.size() + kMore.size() <= most_bytes) cut = out.size();
    if (out.size() > most_bytes) return out.substr(0, cut).append(kMore);
  }
  return out;
}

void JsonObject::StartMember(std::string_view key) {
  if (!members_.empty()) members_ += ", ";
  AppendString(members_, key);
  members_ += ": ";
}

JsonObject& JsonObject::Json(std::string_view key, std::string_view json) {
  StartMember(key);
  members_ += json;
  return *this;
}

JsonObject& JsonObject::Text(std::string_view key, std::string_view text) {
  StartMember(key);
  AppendString(members_, text);
  return *this;
}

JsonObject& JsonObject::Number(std::string_view key, std::optional<std::uint64_t> number) {
  return Json(key, number ? std::to_string(*number) : "null");
}

JsonObject& JsonObject::Flag(std::string_view key, bool flag) { return Json(key, flag ? "true" : "false"); }

std::string JsonList(const std::vector<std::string>& values) { return fmt::format("[{}]", fmt::join(values, ", ")); }

}  // namespace platter
