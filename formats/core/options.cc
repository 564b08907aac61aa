#include "formats/core/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "formats/core/checked.h"

namespace platter {
namespace {

Error NotASize(std::string_view text) {
  return Error(ErrorKind::kInvalid, fmt::format("'{}' is not a size", text))
      .Allowed("a number of bytes, or one with a suffix k, M, G, T, P or E");
}

Error TooLarge(std::string_view text) {
  return Error(ErrorKind::kOutOfRange, fmt::format("size '{}' is too large", text)).Allowed("less than 16 EiB");
}

// 0 for what is no suffix.
std::uint64_t UnitOf(char suffix) {
  constexpr std::string_view kSuffixes = "bkmgtpe";
  const char lower = static_cast<char>(suffix >= 'A' && suffix <= 'Z' ? suffix - 'A' + 'a' : suffix);
  const std::size_t power = kSuffixes.find(lower);
  return power == std::string_view::npos ? 0 : std::uint64_t{1} << (10 * power);
}

const OptionSpec* FindSpec(std::string_view name, std::span<const OptionSpec> specs) {
  const auto spec = std::ranges::find(specs, name, &OptionSpec::name);
  return spec == specs.end() ? nullptr : &*spec;
}

Result<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = hex ? text.substr(2) : text;
  const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (failure != std::errc{} || stop != digits.data() + digits.size()) {
    return Error(ErrorKind::kInvalid, fmt::format("'{}' is not a number", text));
  }
  return value;
}

std::optional<bool> ParseFlag(std::string_view text) {
  if (text == "on" || text == "yes" || text == "true" || text == "y") return true;
  if (text == "off" || text == "no" || text == "false" || text == "n") return false;
  return std::nullopt;
}

}  // namespace

Result<std::uint64_t> ParseSize(std::string_view text, std::uint64_t default_unit) {
  // What strtoull passes over, as qemu does: `wc -c` indents its number on some systems.
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0X")) return ParseNumber(text);
  const std::size_t digits_end = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits_end == 0) return NotASize(text);
  std::string_view rest = text.substr(digits_end);
  std::uint64_t whole = 0;
  if (std::from_chars(text.data(), text.data() + digits_end, whole).ec != std::errc{}) return TooLarge(text);
  long double fraction = 0;
  if (rest.starts_with('.')) {
    long double place = 1;
    for (rest.remove_prefix(1); !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; rest.remove_prefix(1)) {
      place /= 10;
      fraction += place * (rest[0] - '0');
    }
  }
  const std::uint64_t unit = rest.empty() ? default_unit : UnitOf(rest[0]);
  if (unit == 0 || rest.size() > 1) return NotASize(text);
  if (fraction > 0 && unit == 1) return NotASize(text);
  const auto bytes = CheckedMultiply(whole, unit);
  const auto sum = bytes ? CheckedAdd(*bytes, static_cast<std::uint64_t>(fraction * unit + 0.5L)) : std::nullopt;
  if (!sum) return TooLarge(text);
  return *sum;
}

Error RefusedOption(std::string_view option, std::string what) {
  return Error(ErrorKind::kInvalid, std::move(what)).At("create options", std::string(option));
}

std::vector<std::pair<std::string, std::optional<std::string>>> SplitOptionList(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escaped = text[at] == ',' && at + 1 < text.size() && text[at + 1] == ',';
    if (text[at] == ',' && !escaped) {
      parts.emplace_back();
      continue;
    }
    parts.back() += text[at];
    if (escaped) ++at;
  }
  std::vector<std::pair<std::string, std::optional<std::string>>> pairs;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      pairs.emplace_back(part, std::nullopt);
    } else {
      pairs.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  return pairs;
}

Result<OptionValues> OptionValues::Parse(std::string_view text, std::span<const OptionSpec> specs) {
  OptionValues values;
  PLATTER_CHECK(values.ParseMore(text, specs));
  return values;
}

Result<> OptionValues::ParseMore(std::string_view text, std::span<const OptionSpec> specs) {
  for (const auto& [name, value] : SplitOptionList(text)) {
    if (value) {
      PLATTER_CHECK(Set(name, *value, specs));
    } else if (name.starts_with("no") && FindSpec(name, specs) == nullptr) {
      PLATTER_CHECK(Set(name.substr(2), "off", specs));
    } else {
      PLATTER_CHECK(Set(name, "on", specs));
    }
  }
  return Done{};
}

Result<> OptionValues::Set(std::string_view name, std::string_view value, std::span<const OptionSpec> specs) {
  const OptionSpec* spec = FindSpec(name, specs);
  if (spec == nullptr) return Error(ErrorKind::kInvalid, fmt::format("Invalid parameter '{}'", name));
  if (spec->type == OptionType::kSize && !ParseSize(value).ok()) {
    return Error(ErrorKind::kInvalid, fmt::format("Parameter '{}' expects a non-negative number below 2^64", name))
        .Found(std::string(value))
        .Allowed("a number of bytes, or one with a suffix k, M, G, T, P or E");
  }
  if (spec->type == OptionType::kNumber && !ParseNumber(value).ok()) {
    return Error(ErrorKind::kInvalid, fmt::format("Parameter '{}' expects a number", name)).Found(std::string(value));
  }
  if (spec->type == OptionType::kFlag && !ParseFlag(value)) {
    return Error(ErrorKind::kInvalid, fmt::format("Parameter '{}' expects 'on' or 'off'", name))
        .Found(std::string(value));
  }
  const auto known = std::ranges::find(values_, name, &std::pair<std::string, std::string>::first);
  if (known != values_.end()) {
    known->second = value;
  } else {
    values_.emplace_back(name, value);
  }
  return Done{};
}

const std::string* OptionValues::Find(std::string_view name) const {
  const auto known = std::ranges::find(values_, name, &std::pair<std::string, std::string>::first);
  return known == values_.end() ? nullptr : &known->second;
}

std::optional<std::string> OptionValues::Text(std::string_view name) const {
  const std::string* value = Find(name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::uint64_t OptionValues::Size(std::string_view name, std::uint64_t otherwise) const {
  const std::string* value = Find(name);
  return value == nullptr ? otherwise : ParseSize(*value).value();
}

std::uint64_t OptionValues::Number(std::string_view name, std::uint64_t otherwise) const {
  const std::string* value = Find(name);
  return value == nullptr ? otherwise : ParseNumber(*value).value();
}

bool OptionValues::Flag(std::string_view name, bool otherwise) const {
  const std::string* value = Find(name);
  return value == nullptr ? otherwise : ParseFlag(*value).value();
}

}  // namespace platter
