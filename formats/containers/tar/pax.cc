#include "formats/containers/tar/pax.h"

#include <charconv>
#include <limits>

namespace platter::tar {
namespace {

constexpr std::string_view kAttribute = "SCHILY.xattr.";
constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

struct Record {
  std::string_view key;
  std::string_view value;
};

Error Wrong(std::string what, std::string field, std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("tar pax header", std::move(field), offset);
}

// "LENGTH KEY=VALUE\n" at the front of `text`, which is left with what follows.
std::optional<Record> TakeRecord(std::string_view& text) {
  std::size_t length = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (failure != std::errc() || length > text.size() || length < digits + 2 || text[digits] != ' ') return std::nullopt;
  const std::string_view record = text.substr(digits + 1, length - digits - 1);
  const std::size_t equals = record.find('=');
  if (record.back() != '\n' || equals == 0 || equals == std::string_view::npos) return std::nullopt;
  text.remove_prefix(length);
  return Record{record.substr(0, equals), record.substr(equals + 1, record.size() - equals - 2)};
}

std::optional<std::uint64_t> ParseDecimal(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc() && end == text.data() + text.size() && number <= kLargest;
  return whole ? std::optional(number) : std::nullopt;
}

bool IsName(std::string_view key) { return key == "path" || key == "linkpath" || key == "GNU.sparse.name"; }

bool MakesSparse(std::string_view key) {
  return key.starts_with("GNU.sparse.") || key == "SCHILY.realsize" || key == "SUN.holesdata";
}

}  // namespace

Result<PaxRecords> ParsePax(std::string_view text, std::uint64_t offset) {
  PaxRecords records;
  while (!text.empty()) {
    const auto record = TakeRecord(text);
    if (!record) {
      return Wrong("a record is not as long as it says", "record", offset)
          .Found(std::string(text.substr(0, 32)))
          .Allowed("LENGTH KEY=VALUE and a line end");
    }
    const bool cut = record->key.find('\0') != std::string_view::npos;
    const bool none = record->value.empty() || record->value.find('\0') != std::string_view::npos;
    if (cut || (IsName(record->key) && none)) {
      return Wrong("a name in a record is none", "record", offset)
          .Found(std::string(record->key.substr(0, 32)))
          .Allowed("a name without NUL");
    }
    if (record->key == "path") records.path = record->value;
    if (record->key == "linkpath") records.link_path = record->value;
    if (MakesSparse(record->key)) records.sparse = true;
    if (record->key == "GNU.sparse.name") records.sparse_name = record->value;
    if (record->key == "mtime") records.modified = record->value;
    if (record->key == "uid") records.user = record->value;
    if (record->key == "gid") records.group = record->value;
    if (record->key.starts_with(kAttribute)) {
      records.attributes.emplace_back(record->key.substr(kAttribute.size()), record->value);
    }
    if (record->key != "size") continue;
    records.size = ParseDecimal(record->value);
    if (!records.size) {
      return Wrong("the member's size is no number", "size", offset)
          .Found(std::string(record->value.substr(0, 32)))
          .Allowed("0 to 9223372036854775807");
    }
  }
  return records;
}

}  // namespace platter::tar
