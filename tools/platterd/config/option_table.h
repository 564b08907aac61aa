// The options that platterd knows: the one place that says so, from which the reference in docs/registry.md is made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace platter::platterd {

enum class OptionKind : std::uint8_t {
  kText,
  kSecret,  // text that is never shown
  kNumber,  // a whole number from `least` to `most`
  kSwitch,  // true, 1, on, yes; false, 0, off, no
  kList,    // commas between; a pair of brackets around it is taken off
  kMany,    // the option may stand several times
  kChoice,  // one of `choices`, commas between
};

struct OptionRow {
  std::string_view section;  // "store": of every store that enabled_backends names
  std::string_view name;
  OptionKind kind = OptionKind::kText;
  std::string_view standard;  // the value where the configuration says nothing; "" for none
  std::string_view help;
  std::uint64_t least = 0;
  std::uint64_t most = UINT64_MAX;
  std::string_view choices = "";
  bool reloads = false;   // SIGHUP takes it over
  bool negative = false;  // of a number: any below 0 will do, too, and is a way to say something else
};
std::span<const OptionRow> Options() noexcept;
// Null where there is none.
const OptionRow* FindOption(std::string_view section, std::string_view name) noexcept;

// What a Glance knows and platterd has no use for: taken, logged once, without effect.
struct IdleRow {
  std::string_view section;
  std::string_view names;  // spaces between; "*" for all others of the section
  std::string_view reason;
};
std::span<const IdleRow> IdleOptions() noexcept;
const IdleRow* FindIdleOption(std::string_view section, std::string_view name) noexcept;

// Markdown: tables of both.
std::string ConfigReference();

}  // namespace platter::platterd
