#include "tools/platter/json_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace platter::cli {
namespace {

constexpr std::uint32_t kBuckets = 512;
constexpr std::size_t kIndent = 4;

// How qemu's dictionaries hash their keys: found by comparing with the order of what qemu-img prints.
std::uint32_t BucketOf(std::string_view key) {
  std::uint32_t value = 0x238F13AFU * static_cast<std::uint32_t>(key.size());
  for (std::uint32_t at = 0; at < key.size(); ++at) {
    value += static_cast<std::uint32_t>(static_cast<unsigned char>(key[at])) << (at * 5 % 24);
  }
  return (1103515243U * value + 12345U) % kBuckets;
}

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

class Printer {
 public:
  explicit Printer(bool indented) : indented_(indented) {}

  std::string Print(const Detail& detail) {
    std::visit([this](const auto& value) { Append(value); }, detail.value());
    return std::move(out_);
  }

 private:
  void Append(bool value) { out_ += value ? "true" : "false"; }
  void Append(std::int64_t value) { out_ += std::to_string(value); }
  void Append(std::uint64_t value) { out_ += std::to_string(value); }
  void Append(const std::string& value) { out_ += JsonString(value); }

  void Append(const Detail::List& list) {
    AppendMembers('[', list, ']', [this](const Detail& member) { AppendDetail(member); });
  }

  void Append(const Detail::Object& object) {
    AppendMembers('{', InQemuOrder(object), '}', [this](const auto& member) {
      out_ += JsonString(member.first) + ": ";
      AppendDetail(member.second);
    });
  }

  void AppendDetail(const Detail& detail) {
    std::visit([this](const auto& value) { Append(value); }, detail.value());
  }

  template <class Members, class AppendOne>
  void AppendMembers(char opening, const Members& members, char closing, AppendOne append_one) {
    out_ += opening;
    ++depth_;
    bool first = true;
    for (const auto& member : members) {
      if (!first) out_ += indented_ ? "," : ", ";
      first = false;
      NewLine();
      append_one(member);
    }
    --depth_;
    NewLine();
    out_ += closing;
  }

  void NewLine() {
    if (!indented_) return;
    out_ += '\n';
    out_.append(depth_ * kIndent, ' ');
  }

  bool indented_;
  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

Detail::Object InQemuOrder(const Detail::Object& members) {
  Detail::Object ordered(members.rbegin(), members.rend());
  std::ranges::stable_sort(ordered, {}, [](const auto& member) { return BucketOf(member.first); });
  return ordered;
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const CodePoint front = FrontCodePoint(text);
    AppendEscaped(out, front.value);
    text.remove_prefix(front.length);
  }
  return out + '"';
}

std::string ToJson(const Detail& value) { return Printer(true).Print(value); }

std::string ToCompactJson(const Detail& value) { return Printer(false).Print(value); }

}  // namespace platter::cli
