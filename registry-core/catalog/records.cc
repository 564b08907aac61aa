#include "registry-core/catalog/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <iterator>
#include <limits>
#include <unordered_map>

namespace platter::registry {

const std::string_view kImageSelection =
    "i.id, i.name, i.status, i.visibility, i.is_protected, i.hidden, i.owner, i.disk_format, i.container_format, "
    "i.min_disk, i.min_ram, i.size, i.virtual_size, i.checksum, i.hash_algorithm, i.hash_value, i.created_at, "
    "i.updated_at, i.deleted_at, i.version";

namespace {

Error Corrupt(std::string_view column, const Value& value) {
  return Error(ErrorKind::kCorrupt, "the database holds what its schema forbids")
      .At("row", std::string(column))
      .Found(value.value_or("NULL"));
}

Value Text(std::optional<std::uint64_t> number) { return number ? Value(std::to_string(*number)) : std::nullopt; }

Result<std::optional<std::uint64_t>> OptionalNumber(const Value& value, std::string_view column) {
  if (!value) return std::optional<std::uint64_t>();
  return std::optional(PLATTER_TRY(Unsigned(value, column)));
}

Result<ImageRecord> ReadImage(const Row& row) {
  ImageRecord image;
  image.id = row[0].value_or("");
  image.name = row[1];
  const auto status = FindStatus(row[2].value_or(""));
  if (!status) return Corrupt("status", row[2]);
  image.status = *status;
  const auto visibility = FindVisibility(row[3].value_or(""));
  if (!visibility) return Corrupt("visibility", row[3]);
  image.visibility = *visibility;
  image.is_protected = row[4] == "1";
  image.hidden = row[5] == "1";
  image.owner = row[6];
  image.disk_format = row[7];
  image.container_format = row[8];
  image.min_disk = PLATTER_TRY(Unsigned(row[9], "min_disk"));
  image.min_ram = PLATTER_TRY(Unsigned(row[10], "min_ram"));
  image.size = PLATTER_TRY(OptionalNumber(row[11], "size"));
  image.virtual_size = PLATTER_TRY(OptionalNumber(row[12], "virtual_size"));
  image.checksum = row[13];
  image.hash_algorithm = row[14];
  image.hash_value = row[15];
  image.created = PLATTER_TRY(AsInstant(row[16], "created_at"));
  image.updated = PLATTER_TRY(AsInstant(row[17], "updated_at"));
  if (row[18]) image.deleted = PLATTER_TRY(AsInstant(row[18], "deleted_at"));
  image.version = PLATTER_TRY(Unsigned(row[19], "version"));
  return image;
}

using ById = std::unordered_map<std::string_view, ImageRecord*>;

// Rows that one statement has at most, a power of two: each number of them is a statement of its own, to be prepared.
constexpr std::size_t kMostRows = 64;

// The rows of a table of parts of these images.
Result<std::vector<Row>> RowsOf(Connection& connection, std::string_view selection, std::string_view order,
                                const std::vector<std::string>& ids, std::size_t columns) {
  std::vector<Row> rows;
  for (std::size_t at = 0; at < ids.size(); at += kMostRows) {
    Sql sql(selection);
    sql << " WHERE image_id IN ";
    BindIds(std::span(ids).subspan(at, std::min(kMostRows, ids.size() - at)), sql) << order;
    std::ranges::move(PLATTER_TRY(connection.Select(sql, columns)), std::back_inserter(rows));
  }
  return rows;
}

Result<Location*> LocationAt(ById& images, const Row& row) {
  const std::uint64_t position = PLATTER_TRY(Unsigned(row[1], "position"));
  const auto image = images.find(row[0].value_or(""));
  if (image == images.end() || position >= image->second->locations.size()) return Corrupt("position", row[1]);
  return &image->second->locations[position];
}

Result<> ReadLocations(Connection& connection, const std::vector<std::string>& ids, ById& images) {
  const auto rows = PLATTER_TRY(RowsOf(connection, "SELECT image_id, position, url, store FROM image_locations",
                                       " ORDER BY image_id, position", ids, 4));
  for (const Row& row : rows) {
    std::vector<Location>& locations = images[row[0].value_or("")]->locations;
    if (PLATTER_TRY(Unsigned(row[1], "position")) != locations.size()) return Corrupt("position", row[1]);
    locations.push_back(Location{row[2].value_or(""), row[3].value_or(""), {}});
  }
  if (rows.empty()) return Done{};
  for (const Row& row : PLATTER_TRY(
           RowsOf(connection, "SELECT image_id, position, name, value FROM image_location_metadata", "", ids, 4))) {
    Location* location = PLATTER_TRY(LocationAt(images, row));
    location->metadata.emplace(row[2].value_or(""), row[3].value_or(""));
  }
  return Done{};
}

struct PartTable {
  std::string_view name;
  std::string_view columns;
};
constexpr std::array<PartTable, 4> kPartTables = {{
    {"image_tags", "image_id, value"},
    {"image_properties", "image_id, name, value"},
    {"image_locations", "image_id, position, url, store"},
    {"image_location_metadata", "image_id, position, name, value"},
}};
// The rows of each of these tables.
using PartRows = std::vector<std::vector<std::string>>;
using Parts = std::array<PartRows, kPartTables.size()>;

Parts PartsOf(const ImageRecord& image) {
  Parts parts;
  auto& [tags, properties, locations, metadata] = parts;
  for (const std::string& tag : image.tags) tags.push_back({image.id, tag});
  for (const auto& [name, value] : image.properties) properties.push_back({image.id, name, value});
  for (std::size_t at = 0; at < image.locations.size(); ++at) {
    const Location& location = image.locations[at];
    locations.push_back({image.id, std::to_string(at), location.url, location.store});
    for (const auto& [name, value] : location.metadata) metadata.push_back({image.id, std::to_string(at), name, value});
  }
  return parts;
}

// In statements of 64 rows, and of 32, 16, ... for the rest.
Result<> InsertPart(Connection& connection, const PartTable& table, std::span<const std::vector<std::string>> rows) {
  while (!rows.empty()) {
    const std::size_t count = std::min(kMostRows, std::bit_floor(rows.size()));
    Sql sql("INSERT INTO ");
    sql << table.name << " (" << table.columns << ")";
    for (std::size_t at = 0; at < count; ++at) {
      sql << (at == 0 ? " VALUES " : ", ");
      sql.BindList(rows[at]);
    }
    PLATTER_CHECK(connection.Run(sql));
    rows = rows.subspan(count);
  }
  return Done{};
}

struct Field {
  std::string_view column;
  Value value;
};

// Every column but id.
std::vector<Field> Fields(const ImageRecord& image) {
  const bool live = !image.deleted && image.status != Status::kDeleted;
  return {{"name", image.name},
          {"status", std::string(StatusName(image.status))},
          {"visibility", std::string(VisibilityName(image.visibility))},
          {"is_protected", image.is_protected ? "1" : "0"},
          {"hidden", image.hidden ? "1" : "0"},
          {"owner", image.owner},
          {"disk_format", image.disk_format},
          {"container_format", image.container_format},
          {"min_disk", Text(image.min_disk)},
          {"min_ram", Text(image.min_ram)},
          {"size", Text(image.size)},
          {"virtual_size", Text(image.virtual_size)},
          {"checksum", image.checksum},
          {"hash_algorithm", image.hash_algorithm},
          {"hash_value", image.hash_value},
          {"created_at", std::to_string(Ticks(image.created))},
          {"updated_at", std::to_string(Ticks(image.updated))},
          {"deleted_at", image.deleted ? Value(std::to_string(Ticks(*image.deleted))) : std::nullopt},
          {"version", Text(image.version)},
          {"live", live ? "1" : "0"}};
}

}  // namespace

Sql& BindIds(std::span<const std::string> ids, Sql& sql) {
  std::vector<std::string> list(ids.begin(), ids.end());
  if (!list.empty()) list.resize(std::bit_ceil(list.size()), list.back());
  return sql.BindList(list);
}

Result<std::uint64_t> Unsigned(const Value& value, std::string_view column) {
  std::uint64_t number = 0;
  if (!value) return Corrupt(column, value);
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc{} || end != value->data() + value->size()) return Corrupt(column, value);
  return number;
}

Result<Instant> AsInstant(const Value& value, std::string_view column) {
  std::int64_t ticks = 0;
  if (!value) return Corrupt(column, value);
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), ticks);
  if (error != std::errc{} || end != value->data() + value->size()) return Corrupt(column, value);
  return Instant(std::chrono::microseconds(ticks));
}

Result<> CheckFits(std::string_view what, std::string_view text, std::size_t most_letters) {
  // Every byte of UTF-8 but those that go on with a letter.
  const auto letters = std::ranges::count_if(text, [](char byte) { return (byte & 0xC0) != 0x80; });
  if (static_cast<std::size_t>(letters) <= most_letters) return Done{};
  return Error(ErrorKind::kInvalid, fmt::format("{} is too long for a database", what))
      .Found(fmt::format("{} characters", letters))
      .Allowed(fmt::format("up to {}", most_letters));
}

namespace {

constexpr std::size_t kRoomForUploads = 16 << 10;  // bytes: a location in each store, the names of stores that failed

bool Has(const ImageRecord& image, const std::string& name, const std::string& value) {
  const auto found = image.properties.find(name);
  return found != image.properties.end() && found->second == value;
}

// How large what clients put in without end may become. A page of a list has many records, and is made in memory.
Result<> CheckBulk(const ImageRecord& image, const ImageRecord* before) {
  for (const auto& [name, value] : image.properties) {
    PLATTER_CHECK(CheckFits("a property's name", name, 255));
    if (value.size() <= kMostValueBytes) continue;
    if (before != nullptr && Has(*before, name, value)) continue;
    return Error(ErrorKind::kInvalid, fmt::format("the value of the property {} is too long", name))
        .Found(fmt::format("{} bytes", value.size()))
        .Allowed(fmt::format("up to {}", kMostValueBytes));
  }
  // Behind queued for what an upload adds of its own: it must not fail for that when all its bytes are there.
  const std::size_t most = kMostBulkBytes + (image.status == Status::kQueued ? 0 : kRoomForUploads);
  const std::size_t bytes = BulkOf(image);
  if (bytes <= most || (before != nullptr && bytes <= BulkOf(*before))) return Done{};
  return Error(ErrorKind::kLimit, "the image's tags, properties and locations are too large together")
      .Found(fmt::format("{} bytes", bytes))
      .Allowed(fmt::format("up to {}", most));
}

}  // namespace

Result<> CheckFits(const ImageRecord& image, const ImageRecord* before) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const auto& number :
       {std::optional(image.min_disk), std::optional(image.min_ram), image.size, image.virtual_size}) {
    if (number.value_or(0) > kMost)
      return Error(ErrorKind::kInvalid, "a number of the image is too large for a database").Found(*number);
  }
  PLATTER_CHECK(CheckFits("the image's id", image.id, 36));
  struct Column {
    std::string_view what;
    const std::optional<std::string>& text;
    std::size_t most;
  };
  for (const Column& column :
       {Column{"the image's name", image.name, 255}, Column{"the image's owner", image.owner, 255},
        Column{"the disk format", image.disk_format, 20}, Column{"the container format", image.container_format, 20},
        Column{"the checksum", image.checksum, 32}, Column{"the hash's algorithm", image.hash_algorithm, 64},
        Column{"the hash's value", image.hash_value, 128}})
    PLATTER_CHECK(CheckFits(column.what, column.text.value_or(""), column.most));
  for (const std::string& tag : image.tags) PLATTER_CHECK(CheckFits("a tag", tag, 255));
  for (const Location& location : image.locations) {
    PLATTER_CHECK(CheckFits("a location's store", location.store, 255));
    for (const auto& [name, value] : location.metadata)
      PLATTER_CHECK(CheckFits("the name of a location's metadata", name, 255));
  }
  return CheckBulk(image, before);
}

Result<std::vector<ImageRecord>> ReadImages(Connection& connection, const std::vector<Row>& rows) {
  std::vector<ImageRecord> images;
  std::vector<std::string> ids;
  ById by_id;
  images.reserve(rows.size());
  for (const Row& row : rows) {
    images.push_back(PLATTER_TRY(ReadImage(row)));
    ids.push_back(images.back().id);
    by_id.emplace(images.back().id, &images.back());
  }
  if (images.empty()) return images;
  for (const Row& row : PLATTER_TRY(RowsOf(connection, "SELECT image_id, value FROM image_tags", "", ids, 2)))
    by_id[row[0].value_or("")]->tags.insert(row[1].value_or(""));
  for (const Row& row :
       PLATTER_TRY(RowsOf(connection, "SELECT image_id, name, value FROM image_properties", "", ids, 3)))
    by_id[row[0].value_or("")]->properties.emplace(row[1].value_or(""), row[2].value_or(""));
  PLATTER_CHECK(ReadLocations(connection, ids, by_id));
  return images;
}

Result<> InsertImage(Connection& connection, const ImageRecord& image) {
  Sql sql("INSERT INTO images (id");
  const std::vector<Field> fields = Fields(image);
  for (const Field& field : fields) sql << ", " << field.column;
  sql << ") VALUES (";
  sql.Bind(std::string_view(image.id));
  for (const Field& field : fields) (sql << ", ").Bind(field.value);
  sql << ")";
  PLATTER_CHECK(connection.Run(sql));
  const Parts parts = PartsOf(image);
  for (std::size_t at = 0; at < kPartTables.size(); ++at)
    PLATTER_CHECK(InsertPart(connection, kPartTables[at], parts[at]));
  return Done{};
}

Result<bool> ReplaceImage(Connection& connection, const ImageRecord& image, const ImageRecord& before) {
  // What is set anew is written anew, with its indexes, even where it is the same.
  Sql sql("UPDATE images SET ");
  const std::vector<Field> old_fields = Fields(before);
  const std::vector<Field> fields = Fields(image);
  bool first = true;
  for (std::size_t at = 0; at < fields.size(); ++at) {
    if (fields[at].value == old_fields[at].value) continue;
    (sql << (first ? "" : ", ") << fields[at].column << " = ").Bind(fields[at].value);
    first = false;
  }
  (sql << " WHERE id = ").Bind(std::string_view(image.id));
  (sql << " AND version = ").Bind(before.version);
  if (PLATTER_TRY(connection.Run(sql)) == 0) return false;
  const Parts old_parts = PartsOf(before);
  const Parts parts = PartsOf(image);
  for (std::size_t at = 0; at < kPartTables.size(); ++at) {
    if (parts[at] == old_parts[at]) continue;
    Sql remove("DELETE FROM ");
    (remove << kPartTables[at].name << " WHERE image_id = ").Bind(std::string_view(image.id));
    PLATTER_CHECK(connection.Run(remove));
    PLATTER_CHECK(InsertPart(connection, kPartTables[at], parts[at]));
  }
  return true;
}

}  // namespace platter::registry
