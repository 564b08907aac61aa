#include "tools/platterd/api/image_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>

#include "tools/platterd/api/identifier.h"

namespace platter::platterd {
namespace {

using registry::Comparison;
using registry::ImageQuery;
using registry::Sort;

Error Invalid(std::string what) { return Error(ErrorKind::kInvalid, std::move(what)); }

std::string_view Trimmed(std::string_view text) noexcept {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <class T>
struct Named {
  std::string_view name;
  T value;
};

constexpr std::array kSortKeys = {
    Named<Sort>{"name", Sort::kName},
    Named<Sort>{"status", Sort::kStatus},
    Named<Sort>{"container_format", Sort::kContainerFormat},
    Named<Sort>{"disk_format", Sort::kDiskFormat},
    Named<Sort>{"size", Sort::kSize},
    Named<Sort>{"id", Sort::kId},
    Named<Sort>{"created_at", Sort::kCreatedAt},
    Named<Sort>{"updated_at", Sort::kUpdatedAt},
};

constexpr std::array kComparisons = {
    Named<Comparison>{"eq", Comparison::kEqual},   Named<Comparison>{"neq", Comparison::kNotEqual},
    Named<Comparison>{"lt", Comparison::kLess},    Named<Comparison>{"lte", Comparison::kLessOrEqual},
    Named<Comparison>{"gt", Comparison::kGreater}, Named<Comparison>{"gte", Comparison::kGreaterOrEqual},
};

template <class Table>
auto Find(const Table& table, std::string_view name) noexcept -> std::optional<decltype(table[0].value)> {
  const auto found = std::ranges::find(table, name, [](const auto& row) { return row.name; });
  if (found == table.end()) return std::nullopt;
  return found->value;
}

// Values of "in:a,b,\"c,d\"": quotes keep a comma.
Result<std::vector<std::string>> SplitList(std::string_view key, std::string_view text) {
  std::vector<std::string> values;
  std::string value;
  bool quoted = false;
  bool was_quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
      was_quoted = true;
    } else if (c == ',' && !quoted) {
      values.push_back(std::exchange(value, ""));
      was_quoted = false;
    } else {
      value += c;
    }
  }
  if (quoted) return Invalid(fmt::format("Invalid filter value {} for {}: the quote is not closed.", text, key));
  if (!value.empty() || was_quoted || !values.empty()) values.push_back(std::move(value));
  std::erase(values, "");
  return values;
}

// One value, or a list behind "in:".
Result<> AddValues(std::string_view key, std::string_view text, std::vector<std::string>& values) {
  if (text.starts_with("in:")) {
    for (std::string& value : PLATTER_TRY(SplitList(key, text.substr(3)))) values.push_back(std::move(value));
    // Nothing is in an empty list.
    if (values.empty()) values.emplace_back("\x01");
    return Done{};
  }
  if (text.starts_with("eq:")) text.remove_prefix(3);
  values.emplace_back(text);
  return Done{};
}

Result<std::uint64_t> Count(std::string_view key, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && !text.empty()) return value;
  return Invalid(fmt::format("Filter argument {} must be a non-negative integer, not '{}'.", key, text));
}

Result<bool> Flag(std::string_view key, std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return Invalid(fmt::format("Invalid value '{}' for the filter {}: allowed are true and false.", text, key));
}

// "gt:2026-11-23T06:20:10Z"; without a comparison it is equality.
Result<registry::InstantFilter> Moment(std::string_view key, std::string_view text) {
  registry::InstantFilter filter;
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > 0 && text.find_first_of("0123456789") > colon) {
    const auto comparison = Find(kComparisons, text.substr(0, colon));
    if (!comparison)
      return Invalid(
          fmt::format("Unable to filter on a range: the operator '{}' is not supported.", text.substr(0, colon)));
    filter.comparison = *comparison;
    text.remove_prefix(colon + 1);
  }
  const auto instant = registry::ParseInstant(text);
  if (!instant) return Invalid(fmt::format("Unable to filter by {}: '{}' is no time in ISO 8601.", key, text));
  filter.instant = *instant;
  return filter;
}

Result<> AddVisibility(std::string_view text, ImageQuery& query) {
  query.visibility = registry::FindVisibility(text);
  query.all_visibilities = text == "all";
  if (query.visibility || query.all_visibilities || text.empty()) return Done{};
  return Invalid(fmt::format("Invalid visibility value: {}", text));
}

Result<> AddMemberStatus(std::string_view text, ImageQuery& query) {
  query.member_status = registry::FindMemberStatus(text);
  if (query.member_status || text == "all") return Done{};
  return Invalid(fmt::format("Invalid status: {}", text));
}

// Filters that stand for one or several texts.
std::vector<std::string>* TextsOf(ImageQuery& query, std::string_view key) {
  if (key == "id") return &query.ids;
  if (key == "name") return &query.names;
  if (key == "status") return &query.statuses;
  if (key == "disk_format") return &query.disk_formats;
  if (key == "container_format") return &query.container_formats;
  if (key == "owner") return &query.owners;
  return nullptr;
}

std::optional<std::uint64_t>* CountOf(ImageQuery& query, std::string_view key) {
  if (key == "size_min") return &query.size_min;
  if (key == "size_max") return &query.size_max;
  if (key == "size") return &query.size;
  if (key == "min_disk") return &query.min_disk;
  if (key == "min_ram") return &query.min_ram;
  return nullptr;
}

std::optional<std::string>* DigestOf(ImageQuery& query, std::string_view key) {
  if (key == "checksum") return &query.checksum;
  if (key == "os_hash_value") return &query.hash_value;
  if (key == "os_hash_algo") return &query.hash_algorithm;
  return nullptr;
}

Result<> AddFilter(std::string_view key, const std::string& value, ImageQuery& query) {
  if (auto* texts = TextsOf(query, key)) {
    PLATTER_CHECK(AddValues(key, value, *texts));
    if (texts == &query.ids) std::ranges::transform(query.ids, query.ids.begin(), CanonicalIdentifier);
    return Done{};
  }
  if (auto* digest = DigestOf(query, key)) {
    *digest = value;
    return Done{};
  }
  if (auto* count = CountOf(query, key)) {
    *count = PLATTER_TRY(Count(key, value));
    return Done{};
  }
  if (key == "tag") {
    query.tags.emplace_back(Trimmed(value));
    return Done{};
  }
  if (key == "visibility") return AddVisibility(value, query);
  if (key == "member_status") return AddMemberStatus(value, query);
  if (key == "protected") {
    query.is_protected = PLATTER_TRY(Flag(key, value));
  } else if (key == "os_hidden") {
    query.hidden = PLATTER_TRY(Flag(key, value));
  } else if (key == "created_at") {
    query.created.push_back(PLATTER_TRY(Moment(key, value)));
  } else if (key == "updated_at") {
    query.updated.push_back(PLATTER_TRY(Moment(key, value)));
  } else if (key == "changes-since") {
    return Invalid("The \"changes-since\" filter is no longer available on v2.");
  } else {
    query.properties.emplace_back(key, value);
  }
  return Done{};
}

Result<Sort> SortBy(std::string_view name) {
  const auto key = Find(kSortKeys, name);
  if (key) return *key;
  std::vector<std::string_view> names;
  names.reserve(kSortKeys.size());
  for (const auto& row : kSortKeys) names.push_back(row.name);
  return Invalid(
      fmt::format("Invalid sort key: {}. It must be one of the following: {}.", name, fmt::join(names, ", ")));
}

Result<bool> Ascending(std::string_view direction) {
  if (direction == "asc") return true;
  if (direction == "desc") return false;
  return Invalid(fmt::format("Invalid sort direction: {}", direction));
}

// "name:asc,size": the newer syntax.
Result<> ParseSort(std::string_view text, ImageQuery& query) {
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const std::size_t colon = item.find(':');
    const std::string_view direction = colon == std::string_view::npos ? "desc" : Trimmed(item.substr(colon + 1));
    query.sort.push_back({.key = PLATTER_TRY(SortBy(Trimmed(item.substr(0, colon)))),
                          .ascending = PLATTER_TRY(Ascending(direction.empty() ? "desc" : direction))});
    if (comma == std::string_view::npos) return Done{};
    text.remove_prefix(comma + 1);
  }
}

// sort_key and sort_dir, each as often as one likes: one direction holds for all keys.
Result<> PairSort(const std::vector<std::string>& keys, const std::vector<std::string>& directions, ImageQuery& query) {
  if (directions.size() > 1 && directions.size() != keys.size()) {
    return Invalid("Number of sort dirs does not match the number of sort keys");
  }
  for (std::size_t i = 0; i < keys.size() || i == 0; ++i) {
    const Sort key = keys.empty() ? Sort::kCreatedAt : PLATTER_TRY(SortBy(Trimmed(keys[i])));
    bool ascending = false;
    if (!directions.empty()) ascending = PLATTER_TRY(Ascending(Trimmed(directions[directions.size() == 1 ? 0 : i])));
    query.sort.push_back({.key = key, .ascending = ascending});
  }
  return Done{};
}

}  // namespace

Result<std::uint32_t> ParseLimit(std::string_view text, std::uint32_t most) {
  if (text.starts_with("-") && text.find_first_not_of("0123456789", 1) == std::string_view::npos && text.size() > 1) {
    return Invalid("limit param must be positive");
  }
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
    return Invalid("limit param must be an integer");
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? static_cast<std::uint32_t>(std::min<std::uint64_t>(value, most)) : most;
}

Result<ImageQuery> ParseImageQuery(const QueryItems& items, const ApiOptions& options) {
  ImageQuery query;
  query.limit = std::min(options.limit_default, options.limit_max);
  std::vector<std::string> keys;
  std::vector<std::string> directions;
  std::optional<std::string> sort;
  for (const auto& [key, value] : items) {
    if (key == "limit") {
      query.limit = PLATTER_TRY(ParseLimit(value, options.limit_max));
    } else if (key == "marker") {
      query.marker = CanonicalIdentifier(value);
    } else if (key == "sort") {
      sort = value;
    } else if (key == "sort_key") {
      keys.push_back(value);
    } else if (key == "sort_dir") {
      directions.push_back(value);
    } else {
      PLATTER_CHECK(AddFilter(key, value, query));
    }
  }
  if (sort && (!keys.empty() || !directions.empty())) {
    return Invalid("Old and new sorting syntax cannot be combined");
  }
  if (sort) {
    PLATTER_CHECK(ParseSort(*sort, query));
  } else {
    PLATTER_CHECK(PairSort(keys, directions, query));
  }
  return query;
}

namespace {

// As a form encodes it.
void AppendEscaped(std::string_view text, std::string& out) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
  for (const char c : text) {
    if (c == ' ') {
      out += '+';
    } else if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

}  // namespace

std::string PageQuery(const QueryItems& items, std::string_view marker) {
  std::string out;
  const auto add = [&](std::string_view key, std::string_view value) {
    out += out.empty() ? '?' : '&';
    AppendEscaped(key, out);
    out += '=';
    AppendEscaped(value, out);
  };
  for (const auto& [key, value] : items) {
    if (key != "marker") add(key, value);
  }
  if (!marker.empty()) add("marker", marker);
  return out;
}

}  // namespace platter::platterd
