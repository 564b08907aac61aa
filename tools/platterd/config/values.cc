#include "tools/platterd/config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>

namespace platter::platterd {
namespace {

constexpr int kMaxDepth = 10;

std::string_view Strip(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsNegative(std::string_view text) { return text.starts_with('-') && ParseNumber(text.substr(1)).value_or(0) > 0; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

std::optional<bool> ParseSwitch(std::string_view text) {
  const std::string lower = Lower(text);
  for (const std::string_view word : {"true", "1", "on", "yes"}) {
    if (lower == word) return true;
  }
  for (const std::string_view word : {"false", "0", "off", "no"}) {
    if (lower == word) return false;
  }
  return std::nullopt;
}

bool IsChoice(std::string_view choices, std::string_view value) {
  while (true) {
    const std::string_view choice = choices.substr(0, choices.find(','));
    if (choice == value) return true;
    if (choice.size() == choices.size()) return false;
    choices.remove_prefix(choice.size() + 1);
  }
}

bool IsNameChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

Error At(const Setting& setting, std::string_view what) {
  return Error(ErrorKind::kInvalid,
               fmt::format("{}:{}: [{}] {}: {}", setting.file, setting.line, setting.section, setting.name, what));
}

}  // namespace

std::vector<std::string> SplitList(std::string_view text) {
  text = Strip(text);
  if (text.size() > 1 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find_first_of(",\n"));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (!Strip(item).empty()) out.emplace_back(Strip(item));
  }
  return out;
}

Result<Values> Values::Make(const std::vector<Setting>& given, std::vector<std::string>& remarks) {
  Values values;
  for (const Setting& setting : given) values.set_[KeyOf(setting.section, setting.name)].push_back(setting);
  if (const auto* found = values.Given("DEFAULT", "enabled_backends")) {
    // By the names that they have once references are resolved, as everybody else sees them.
    const Setting& setting = found->back();
    for (const std::string& store : SplitList(PLATTER_TRY(values.Substituted(setting, setting.value, 0)))) {
      values.stores_.push_back(store.substr(0, store.find(':')));
    }
  }
  const Values raw = values;
  for (auto& [key, settings] : values.set_) {
    const OptionRow* row = values.RowOf(key.first, key.second);
    if (row == nullptr) {
      const IdleRow* idle = values.IdleRowOf(key.first, key.second);
      const std::string where = fmt::format("{}:{}: [{}] {}", settings.back().file, settings.back().line,
                                            settings.back().section, key.second);
      remarks.push_back(idle != nullptr ? fmt::format("{} has no effect: {}", where, idle->reason)
                                        : fmt::format("{} is unknown", where));
      continue;
    }
    for (Setting& setting : settings) {
      // A secret that a value refers to is nothing for a message.
      setting.written = setting.value;
      setting.value = PLATTER_TRY(raw.Substituted(setting, setting.value, 0));
      PLATTER_CHECK(values.Check(setting, *row));
    }
  }
  return values;
}

Values::Key Values::KeyOf(std::string_view section, std::string_view name) {
  return {section == "DEFAULT" ? std::string(section) : Lower(section), std::string(name)};
}

const std::vector<Setting>* Values::Given(std::string_view section, std::string_view name) const {
  const auto found = set_.find(KeyOf(section, name));
  return found == set_.end() ? nullptr : &found->second;
}

bool Values::IsStore(std::string_view section) const {
  const auto same = [lower = Lower(section)](const std::string& store) { return Lower(store) == lower; };
  return same("glance_store") || std::any_of(stores_.begin(), stores_.end(), same);
}

const OptionRow* Values::RowOf(std::string_view section, std::string_view name) const {
  const OptionRow* row = FindOption(KeyOf(section, name).first, name);
  return row == nullptr && IsStore(section) ? FindOption("store", name) : row;
}

const IdleRow* Values::IdleRowOf(std::string_view section, std::string_view name) const {
  const IdleRow* row = IsStore(section) ? FindIdleOption("store", name) : nullptr;
  return row == nullptr ? FindIdleOption(KeyOf(section, name).first, name) : row;
}

Result<std::string> Values::Referred(const Setting& setting, std::string_view name, int depth) const {
  if (depth > kMaxDepth) return At(setting, "values refer to each other in a circle");
  const std::size_t dot = name.rfind('.');
  const bool qualified = dot != std::string_view::npos;
  for (const std::string& section : qualified ? std::vector<std::string>{std::string(name.substr(0, dot))}
                                              : std::vector<std::string>{setting.section, "DEFAULT"}) {
    const std::string key(qualified ? name.substr(dot + 1) : name);
    if (const auto* found = Given(section, key)) return Substituted(found->back(), found->back().value, depth + 1);
    if (const OptionRow* row = RowOf(section, key)) return std::string(row->standard);
  }
  // Of a secret the name is a part.
  const OptionRow* row = RowOf(setting.section, setting.name);
  const bool secret = row != nullptr && row->kind == OptionKind::kSecret;
  return At(setting, fmt::format("{} is no option; a dollar sign is written $$",
                                 secret ? "what follows a dollar sign" : fmt::format("${}", name)));
}

Result<std::string> Values::Substituted(const Setting& setting, std::string_view text, int depth) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if ((text[at] == '\\' || text[at] == '$') && next == '$') {
      out += '$';
      at += 2;
    } else if (text[at] != '$') {
      out += text[at++];
    } else {
      const bool braces = next == '{';
      const std::size_t first = at + (braces ? 2 : 1);
      std::size_t end = first;
      while (end < text.size() && IsNameChar(text[end])) ++end;
      // As oslo.config: what is no name after a dollar sign stands for itself.
      if (end == first || (braces && (end == text.size() || text[end] != '}'))) {
        out += text[at++];
        continue;
      }
      out += PLATTER_TRY(Referred(setting, text.substr(first, end - first), depth));
      at = end + (braces ? 1 : 0);
    }
    if (out.size() > 65536) return At(setting, "the value is too long");
  }
  return out;
}

Result<> Values::Check(const Setting& setting, const OptionRow& row) const {
  const std::string_view value = setting.value;
  switch (row.kind) {
    case OptionKind::kNumber: {
      const auto number = ParseNumber(value);
      if (number && *number >= row.least && *number <= row.most) return Done();
      if (row.negative && IsNegative(value)) return Done();
      return At(setting, "wrong value")
          .Found(setting.written)
          .Allowed(fmt::format("{} to {}{}", row.least, row.most, row.negative ? ", -1" : ""));
    }
    case OptionKind::kSwitch:
      if (ParseSwitch(value)) return Done();
      return At(setting, "wrong value").Found(setting.written).Allowed("true, 1, on, yes, false, 0, off, no");
    case OptionKind::kChoice:
      if (IsChoice(row.choices, value)) return Done();
      return At(setting, "wrong value")
          .Found(setting.written)
          .Allowed(std::string(row.choices.starts_with(',') ? "nothing" : "") + std::string(row.choices));
    case OptionKind::kText:
    case OptionKind::kSecret:
    case OptionKind::kMany:
      if (value.find('\n') == std::string_view::npos) return Done();
      return At(setting, "the value goes over several lines");
    case OptionKind::kList:
      break;
  }
  return Done();
}

bool Values::Has(std::string_view section, std::string_view name) const {
  const auto* found = Given(section, name);
  return found != nullptr && !found->back().value.empty();
}

std::string Values::Text(std::string_view section, std::string_view name) const {
  if (const auto* found = Given(section, name)) return found->back().value;
  return std::string(RowOf(section, name)->standard);
}

std::uint64_t Values::Number(std::string_view section, std::string_view name, std::uint64_t below_zero) const {
  const std::string text = Text(section, name);
  return IsNegative(text) ? below_zero : ParseNumber(text).value_or(0);
}

bool Values::Switch(std::string_view section, std::string_view name) const {
  return ParseSwitch(Text(section, name)).value_or(false);
}

std::vector<std::string> Values::List(std::string_view section, std::string_view name) const {
  return SplitList(Text(section, name));
}

std::vector<std::string> Values::Many(std::string_view section, std::string_view name) const {
  std::vector<std::string> out;
  const auto* found = Given(section, name);
  if (found == nullptr) return out;
  for (const Setting& setting : *found) {
    if (!setting.value.empty()) out.push_back(setting.value);
  }
  return out;
}

Error Values::Wrong(std::string_view section, std::string_view name, std::string_view allowed) const {
  const auto* found = Given(section, name);
  if (found == nullptr) {
    return Error(ErrorKind::kInvalid, fmt::format("[{}] {} is missing", section, name)).Allowed(std::string(allowed));
  }
  const Setting& setting = found->back();
  const bool secret = RowOf(section, name)->kind == OptionKind::kSecret;
  return At(setting, "wrong value")
      .Found(secret ? "a value that is not shown" : setting.written)
      .Allowed(std::string(allowed));
}

}  // namespace platter::platterd
