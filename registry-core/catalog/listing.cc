// A project sees its own images, those of everybody, and what is shared with it. One condition for the three would be a
// scan; so they are three selections, each in the order asked for and from an index of its own, no longer than the
// page, of which the page is the best; an image may be in several of them, and is on the page once. A server chooses
// it: that is one question and one answer. With SQLite, which would make a table in memory for each step of this, it is
// chosen here.
#include "registry-core/catalog/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <compare>
#include <iterator>
#include <limits>
#include <utility>

#include "registry-core/catalog/records.h"

namespace platter::registry {
namespace {

struct Column {
  std::string_view name;
  bool nullable;
};

Column ColumnOf(Sort key) noexcept {
  switch (key) {
    case Sort::kName:
      return {"name", true};
    case Sort::kStatus:
      return {"status", false};
    case Sort::kContainerFormat:
      return {"container_format", true};
    case Sort::kDiskFormat:
      return {"disk_format", true};
    case Sort::kSize:
      return {"size", true};
    case Sort::kId:
      return {"id", false};
    case Sort::kCreatedAt:
      return {"created_at", false};
    case Sort::kUpdatedAt:
      return {"updated_at", false};
  }
  return {"created_at", false};
}

Value FieldOf(const ImageRecord& image, Sort key) {
  switch (key) {
    case Sort::kName:
      return image.name;
    case Sort::kStatus:
      return std::string(StatusName(image.status));
    case Sort::kContainerFormat:
      return image.container_format;
    case Sort::kDiskFormat:
      return image.disk_format;
    case Sort::kSize:
      return image.size ? Value(std::to_string(*image.size)) : std::nullopt;
    case Sort::kId:
      return image.id;
    case Sort::kCreatedAt:
      return std::to_string(Ticks(image.created));
    case Sort::kUpdatedAt:
      return std::to_string(Ticks(image.updated));
  }
  return std::nullopt;
}

std::string_view SignOf(Comparison comparison) noexcept {
  switch (comparison) {
    case Comparison::kEqual:
      return " = ";
    case Comparison::kNotEqual:
      return " <> ";
    case Comparison::kLess:
      return " < ";
    case Comparison::kLessOrEqual:
      return " <= ";
    case Comparison::kGreater:
      return " > ";
    case Comparison::kGreaterOrEqual:
      return " >= ";
  }
  return " = ";
}

// The keys asked for, and those that decide the ties.
std::vector<SortKey> WholeOrder(const ImageQuery& query) {
  std::vector<SortKey> keys;
  const auto add = [&keys](SortKey key) {
    if (std::ranges::find(keys, key.key, &SortKey::key) == keys.end()) keys.push_back(key);
  };
  for (const SortKey& key : query.sort) add(key);
  const bool ascending = query.sort.size() == 1 && query.sort[0].ascending;
  add({Sort::kCreatedAt, ascending});
  add({Sort::kId, ascending});
  return keys;
}

std::string OrderText(const std::vector<SortKey>& keys, std::string_view table, Engine engine) {
  std::string text = " ORDER BY ";
  for (std::size_t at = 0; at < keys.size(); ++at) {
    const Column column = ColumnOf(keys[at].key);
    text += fmt::format("{}{}.{}{}", at == 0 ? "" : ", ", table, column.name, keys[at].ascending ? "" : " DESC");
    // NULL is the smallest everywhere.
    if (column.nullable && engine == Engine::kPostgreSql) text += keys[at].ascending ? " NULLS FIRST" : " NULLS LAST";
    if (keys[at].key == Sort::kId) break;  // nothing ties behind it
  }
  return text;
}

// " AND <behind the marker in the order of `keys`>".
void AddMarker(const std::vector<SortKey>& keys, const ImageRecord& marker, Sql& sql) {
  const Column lead = ColumnOf(keys[0].key);
  if (!lead.nullable) {  // says nothing new, but an index can begin there
    (sql << " AND i." << lead.name << (keys[0].ascending ? " >= " : " <= ")).Bind(FieldOf(marker, keys[0].key));
  }
  sql << " AND (";
  bool first = true;
  for (std::size_t last = 0; last < keys.size(); ++last) {
    const Column column = ColumnOf(keys[last].key);
    const Value value = FieldOf(marker, keys[last].key);
    if (!value && !keys[last].ascending) continue;  // nothing is smaller than NULL
    sql << (first ? "(" : " OR (");
    first = false;
    for (std::size_t at = 0; at < last; ++at) {
      const Value equal = FieldOf(marker, keys[at].key);
      sql << "i." << ColumnOf(keys[at].key).name;
      if (equal)
        (sql << " = ").Bind(equal);
      else
        sql << " IS NULL";
      sql << " AND ";
    }
    if (!value) {
      sql << "i." << column.name << " IS NOT NULL)";
      continue;
    }
    (sql << "(i." << column.name << (keys[last].ascending ? " > " : " < ")).Bind(value);
    if (!keys[last].ascending && column.nullable) sql << " OR i." << column.name << " IS NULL";
    sql << "))";
    if (keys[last].key == Sort::kId) break;
  }
  sql << ")";
}

void AddOneOf(std::string_view column, const std::vector<std::string>& values, Sql& sql) {
  if (values.empty()) return;
  sql << " AND i." << column;
  if (values.size() == 1) {
    (sql << " = ").Bind(std::string_view(values[0]));
  } else {
    sql << " IN ";
    sql.BindList(values);
  }
}

void AddInstants(std::string_view column, const std::vector<InstantFilter>& filters, Sql& sql) {
  // What the API shows and takes are whole seconds: an image made within the second is equal to it.
  constexpr std::chrono::microseconds kSecond = std::chrono::seconds(1);
  for (const InstantFilter& filter : filters) {
    const bool whole = filter.instant.time_since_epoch() % kSecond == std::chrono::microseconds{0};
    const std::int64_t from = Ticks(filter.instant);
    const std::int64_t to = whole ? from + kSecond.count() - 1 : from;
    sql << " AND ";
    switch (filter.comparison) {
      case Comparison::kEqual:
      case Comparison::kNotEqual:
        sql << (filter.comparison == Comparison::kNotEqual ? "NOT " : "") << "(i." << column << " BETWEEN ";
        sql.Bind(from) << " AND ";
        sql.Bind(to) << ")";
        break;
      case Comparison::kLess:
      case Comparison::kGreaterOrEqual:
        (sql << "i." << column << SignOf(filter.comparison)).Bind(from);
        break;
      case Comparison::kLessOrEqual:
      case Comparison::kGreater:
        (sql << "i." << column << SignOf(filter.comparison)).Bind(to);
        break;
    }
  }
}

void AddNumber(std::string_view column, Comparison comparison, const std::optional<std::uint64_t>& number, Sql& sql) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();  // that a column can hold
  if (!number) return;
  if (*number <= kMost)
    (sql << " AND i." << column << SignOf(comparison)).Bind(*number);
  else if (comparison == Comparison::kLessOrEqual)
    sql << " AND i." << column << " IS NOT NULL";
  else
    sql << " AND 1 = 0";
}

void AddText(std::string_view column, const std::optional<std::string>& text, Sql& sql) {
  if (text) (sql << " AND i." << column << " = ").Bind(*text);
}

// As much of a property's value as its index has.
std::string_view IndexedPart(std::string_view value) noexcept {
  constexpr std::size_t kLetters = 100;
  std::size_t at = 0;
  for (std::size_t letters = 0; at < value.size(); ++at) {
    if ((value[at] & 0xC0) != 0x80 && ++letters > kLetters) break;
  }
  return value.substr(0, at);
}

// What all of several have is counted in one selection: the servers plan many that are joined in the cube of their
// number.
void CountAll(std::size_t parts, Sql& sql) {
  if (parts > 1) sql << fmt::format(" GROUP BY image_id HAVING COUNT(*) = {}", parts);
  sql << ")";
}

void AddTags(const std::vector<std::string>& tags, Sql& sql) {
  if (tags.empty()) return;
  (sql << " AND i.id IN (SELECT image_id FROM image_tags WHERE value IN ").BindList(tags);
  CountAll(tags.size(), sql);
}

void AddProperties(const std::vector<std::pair<std::string, std::string>>& properties, Engine engine, Sql& sql) {
  if (properties.empty()) return;
  std::string_view before = " AND i.id IN (SELECT image_id FROM image_properties WHERE (name = ";
  for (const auto& [name, value] : properties) {
    (sql << std::exchange(before, " OR (name = ")).Bind(std::string_view(name));
    if (engine == Engine::kSqlite) (sql << " AND substr(value, 1, 100) = ").Bind(IndexedPart(value));
    if (engine == Engine::kPostgreSql) (sql << " AND left(value, 100) = ").Bind(IndexedPart(value));
    (sql << " AND value = ").Bind(std::string_view(value)) << ")";
  }
  CountAll(properties.size(), sql);
}

// " WHERE ..." of every selection.
void AddFilters(const ImageQuery& query, Engine engine, Sql& sql) {
  sql << " WHERE i.live = 1 AND i.hidden = " << (query.hidden ? "1" : "0");
  AddOneOf("id", query.ids, sql);
  AddOneOf("name", query.names, sql);
  AddOneOf("status", query.statuses, sql);
  AddOneOf("disk_format", query.disk_formats, sql);
  AddOneOf("container_format", query.container_formats, sql);
  AddOneOf("owner", query.owners, sql);
  if (query.visibility) (sql << " AND i.visibility = ").Bind(VisibilityName(*query.visibility));
  if (query.is_protected) sql << " AND i.is_protected = " << (*query.is_protected ? "1" : "0");
  AddNumber("size", Comparison::kGreaterOrEqual, query.size_min, sql);
  AddNumber("size", Comparison::kLessOrEqual, query.size_max, sql);
  AddNumber("size", Comparison::kEqual, query.size, sql);
  AddNumber("min_disk", Comparison::kEqual, query.min_disk, sql);
  AddNumber("min_ram", Comparison::kEqual, query.min_ram, sql);
  AddText("checksum", query.checksum, sql);
  AddText("hash_value", query.hash_value, sql);
  AddText("hash_algorithm", query.hash_algorithm, sql);
  AddInstants("created_at", query.created, sql);
  AddInstants("updated_at", query.updated, sql);
  AddTags(query.tags, sql);
  AddProperties(query.properties, engine, sql);
}

// Shows nothing of the community's but the viewer's own unless it is asked for.
bool WithoutCommunity(const ImageQuery& query) { return !query.visibility && !query.all_visibilities; }

// By which a page's rows are told apart; beside id, version and created_at.
bool IsExtra(const SortKey& key) noexcept { return key.key != Sort::kId && key.key != Sort::kCreatedAt; }
bool IsNumber(Sort key) noexcept { return key == Sort::kSize || key == Sort::kCreatedAt || key == Sort::kUpdatedAt; }

class Builder {
 public:
  Builder(const ImageQuery& query, const ImageRecord* marker, Engine engine)
      : query_(query), marker_(marker), engine_(engine), keys_(WholeOrder(query)) {}

  Listing Build() && {
    const std::optional<std::string>& project = query_.viewer.project;
    if (query_.viewer.admin) {
      Selection("", [&](Sql& sql) {
        if (!WithoutCommunity(query_)) return;
        sql << " AND (i.visibility <> 'community'";
        if (project) (sql << " OR i.owner = ").Bind(*project);
        sql << ")";
      });
    } else if (project) {
      Selection("", [&](Sql& sql) { (sql << " AND i.owner = ").Bind(*project); });
      if (!query_.visibility || *query_.visibility == Visibility::kShared) {
        Selection("JOIN image_members m ON m.image_id = i.id ", [&](Sql& sql) {
          (sql << " AND i.visibility = 'shared' AND m.project = ").Bind(*project);
          if (query_.member_status) (sql << " AND m.status = ").Bind(MemberStatusName(*query_.member_status));
        });
      }
    }
    if (!query_.viewer.admin) {
      Everybodys(Visibility::kPublic, !query_.visibility || *query_.visibility == Visibility::kPublic);
      Everybodys(Visibility::kCommunity,
                 !WithoutCommunity(query_) && (!query_.visibility || *query_.visibility == Visibility::kCommunity));
    }
    const std::size_t columns = 3 + static_cast<std::size_t>(std::ranges::count_if(keys_, IsExtra));
    if (selections_.size() > 1 && engine_ != Engine::kSqlite) Unite();
    return Listing{std::move(selections_), std::move(keys_), columns};
  }

 private:
  template <class Condition>
  void Selection(std::string_view join, const Condition& condition) {
    Sql sql("SELECT i.id, i.version, i.created_at");
    for (const SortKey& key : keys_) {
      if (IsExtra(key)) sql << ", i." << ColumnOf(key.key).name;
    }
    sql << " FROM images i " << join;
    AddFilters(query_, engine_, sql);
    if (marker_ != nullptr) AddMarker(keys_, *marker_, sql);
    condition(sql);
    sql << OrderText(keys_, "i", engine_) << " LIMIT " << std::to_string(query_.limit);
    selections_.push_back(std::move(sql));
  }

  // The images of one visibility that everybody sees.
  void Everybodys(Visibility visibility, bool wanted) {
    if (!wanted) return;
    Selection("", [&](Sql& sql) { (sql << " AND i.visibility = ").Bind(VisibilityName(visibility)); });
  }

  // One statement of them all.
  void Unite() {
    Sql sql("SELECT * FROM (");
    for (std::size_t at = 0; at < selections_.size(); ++at) {
      sql << (at == 0 ? "SELECT * FROM (" : " UNION SELECT * FROM (");
      sql.Append(selections_[at]) << ") b" << std::to_string(at + 1);
    }
    sql << ") i" << OrderText(keys_, "i", engine_) << " LIMIT " << std::to_string(query_.limit);
    selections_.clear();
    selections_.push_back(std::move(sql));
  }

  const ImageQuery& query_;
  const ImageRecord* marker_;
  Engine engine_;
  std::vector<SortKey> keys_;
  std::vector<Sql> selections_;
};

// Of two fields, as the databases order them: NULL, numbers by their size, texts by their bytes.
std::strong_ordering CompareFields(const Value& left, const Value& right, bool number) {
  if (!left || !right) return left.has_value() <=> right.has_value();
  if (!number) return *left <=> *right;
  const auto value = [](const std::string& text) {
    std::int64_t parsed = 0;
    std::from_chars(text.data(), text.data() + text.size(), parsed);
    return parsed;
  };
  return value(*left) <=> value(*right);
}

bool ComesFirst(const Row& left, const Row& right, const std::vector<SortKey>& keys) {
  std::size_t extra = 3;
  for (const SortKey& key : keys) {
    const std::size_t column = key.key == Sort::kId ? 0 : key.key == Sort::kCreatedAt ? 2 : extra++;
    const auto order = CompareFields(left[column], right[column], IsNumber(key.key));
    if (std::is_neq(order)) return std::is_lt(order) == key.ascending;
  }
  return false;
}

template <class Part>
void KeepOneOfEach(std::vector<Part>& parts) {
  std::ranges::sort(parts);
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
}

}  // namespace

std::vector<Row> Listing::Merge(std::vector<std::vector<Row>> found, std::uint32_t limit) const {
  std::vector<Row> page;
  for (std::vector<Row>& rows : found) {
    const auto middle = static_cast<std::ptrdiff_t>(page.size());
    std::move(rows.begin(), rows.end(), std::back_inserter(page));
    std::inplace_merge(page.begin(), page.begin() + middle, page.end(),
                       [this](const Row& left, const Row& right) { return ComesFirst(left, right, keys); });
  }
  const auto same = [](const Row& left, const Row& right) { return left[0] == right[0]; };
  page.erase(std::unique(page.begin(), page.end(), same), page.end());
  if (page.size() > limit) page.resize(limit);
  return page;
}

Result<Listing> ListingOf(ImageQuery query, const ImageRecord* marker, Engine engine) {
  constexpr std::size_t kMostValues = 500;
  for (const auto* values :
       {&query.ids, &query.names, &query.statuses, &query.disk_formats, &query.container_formats, &query.owners}) {
    if (values->size() > kMostValues)
      return Error(ErrorKind::kInvalid, "a filter has too many values").Found(values->size()).Allowed("up to 500");
  }
  KeepOneOfEach(query.tags);
  KeepOneOfEach(query.properties);
  const std::size_t conditions =
      query.tags.size() + query.properties.size() + query.created.size() + query.updated.size();
  if (conditions > kMostConditions) {
    return Error(ErrorKind::kInvalid, "a list is filtered by too many tags, properties and times")
        .Found(conditions)
        .Allowed(fmt::format("up to {} together", kMostConditions));
  }
  return Builder(query, marker, engine).Build();
}

}  // namespace platter::registry
