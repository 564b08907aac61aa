// The schema's versions. A step is never changed once it was released: a new one follows it.
#include <fmt/format.h>

#include <charconv>
#include <span>

#include "registry-core/catalog/connection.h"
#include "registry-core/catalog/schema.h"

namespace platter::registry {
namespace {

// In the statements, {T:n} is a text of at most n characters compared by its bytes, {L} a long one, {N} the order of
// NULLs in an index: first, as SQLite and MariaDB have them anyway. "{E}" ends a table. A statement that begins with
// {sqlite}, {mariadb} or {postgresql} is for that engine alone, with {partial} for the two that can index some rows
// only.
constexpr std::string_view kBase[] = {
    "CREATE TABLE IF NOT EXISTS images (id {T:36} NOT NULL PRIMARY KEY, name {T:255}, status {T:30} NOT NULL, "
    "visibility {T:9} NOT NULL, is_protected SMALLINT NOT NULL, hidden SMALLINT NOT NULL, owner {T:255}, "
    "disk_format {T:20}, container_format {T:20}, min_disk BIGINT NOT NULL, min_ram BIGINT NOT NULL, size BIGINT, "
    "virtual_size BIGINT, checksum {T:32}, hash_algorithm {T:64}, hash_value {T:128}, created_at BIGINT NOT NULL, "
    "updated_at BIGINT NOT NULL, deleted_at BIGINT, version BIGINT NOT NULL, live SMALLINT NOT NULL){E}",
    "CREATE TABLE IF NOT EXISTS image_tags (image_id {T:36} NOT NULL, value {T:255} NOT NULL, "
    "PRIMARY KEY (image_id, value), FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE){E}",
    "CREATE TABLE IF NOT EXISTS image_properties (image_id {T:36} NOT NULL, name {T:255} NOT NULL, value {L} NOT NULL, "
    "PRIMARY KEY (image_id, name), FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE){E}",
    "CREATE TABLE IF NOT EXISTS image_locations (image_id {T:36} NOT NULL, position INTEGER NOT NULL, url {L} NOT "
    "NULL, "
    "store {T:255} NOT NULL, PRIMARY KEY (image_id, position), "
    "FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE){E}",
    "CREATE TABLE IF NOT EXISTS image_location_metadata (image_id {T:36} NOT NULL, position INTEGER NOT NULL, "
    "name {T:255} NOT NULL, value {L} NOT NULL, PRIMARY KEY (image_id, position, name), "
    "FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE){E}",
    "CREATE TABLE IF NOT EXISTS image_members (image_id {T:36} NOT NULL, project {T:255} NOT NULL, status {T:20} NOT "
    "NULL, "
    "created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (image_id, project), "
    "FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE){E}",
    "CREATE INDEX IF NOT EXISTS images_created ON images (live, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_owner ON images (live, owner, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_visibility ON images (live, visibility, created_at, id)",
    "CREATE INDEX IF NOT EXISTS image_members_project ON image_members (project, status, image_id)",
};

constexpr std::string_view kTasksAndIndexes[] = {
    "CREATE TABLE IF NOT EXISTS tasks (id {T:36} NOT NULL PRIMARY KEY, type {T:30} NOT NULL, status {T:30} NOT NULL, "
    "owner {T:255} NOT NULL, image_id {T:36} NOT NULL, request_id {T:255} NOT NULL, user_id {T:255} NOT NULL, "
    "input {L} NOT NULL, result {L} NOT NULL, message {L} NOT NULL, created_at BIGINT NOT NULL, "
    "updated_at BIGINT NOT NULL, expires_at BIGINT){E}",
    "CREATE INDEX IF NOT EXISTS tasks_created ON tasks (created_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_owner ON tasks (owner, created_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_image ON tasks (image_id, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_name ON images (live, name{N}, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_status ON images (live, status, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_container_format ON images (live, container_format{N}, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_disk_format ON images (live, disk_format{N}, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_size ON images (live, size{N}, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_updated ON images (live, updated_at, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_checksum ON images (checksum)",
    "CREATE INDEX IF NOT EXISTS images_hash ON images (hash_value)",
    "CREATE INDEX IF NOT EXISTS images_state ON images (status, id)",
    "CREATE INDEX IF NOT EXISTS images_deleted ON images (deleted_at)",
    "CREATE INDEX IF NOT EXISTS image_tags_value ON image_tags (value, image_id)",
    "CREATE INDEX IF NOT EXISTS image_properties_name ON image_properties (name, image_id)",
};

// What few images are, and what many images share. Where an engine can, the few have an index without the many.
constexpr std::string_view kRareFilters[] = {
    "CREATE INDEX IF NOT EXISTS images_min_disk ON images (live, min_disk, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_min_ram ON images (live, min_ram, created_at, id)",
    "CREATE INDEX IF NOT EXISTS images_hash_algorithm ON images (live, hash_algorithm{N}, created_at, id)",
    "{partial}CREATE INDEX IF NOT EXISTS images_protected ON images (live, created_at, id) WHERE is_protected = 1",
    "{partial}CREATE INDEX IF NOT EXISTS images_hidden ON images (live, created_at, id) WHERE hidden = 1",
    "{mariadb}CREATE INDEX IF NOT EXISTS images_protected ON images (live, is_protected, created_at, id)",
    "{mariadb}CREATE INDEX IF NOT EXISTS images_hidden ON images (live, hidden, created_at, id)",
    "{sqlite}CREATE INDEX IF NOT EXISTS image_properties_value ON image_properties (name, substr(value, 1, 100), "
    "image_id)",
    "{mariadb}CREATE INDEX IF NOT EXISTS image_properties_value ON image_properties (name, value(100), image_id)",
    "{postgresql}CREATE INDEX IF NOT EXISTS image_properties_value ON image_properties (name, left(value, 100), "
    "image_id)",
    "{partial}DROP INDEX IF EXISTS image_properties_name",
    "{mariadb}DROP INDEX IF EXISTS image_properties_name ON image_properties",
};

// The servers count by themselves what their tables hold; SQLite counts when it is told to, and without a count takes
// one index for as good as another. What a cloud's tables look like is known: rows, and rows for each value of the
// first column, of the first two, and so on.
constexpr std::string_view kCounts[] = {
    "{sqlite}ANALYZE images",
    "{sqlite}DELETE FROM sqlite_stat1 WHERE tbl IN ('images', 'image_tags', 'image_properties', 'image_members')",
    "{sqlite}INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('images', 'sqlite_autoindex_images_1', '100000 1'), "
    "('images', 'images_created', '100000 100000 1 1'), "
    "('images', 'images_updated', '100000 100000 1 1 1'), ('images', 'images_owner', '100000 100000 100 1 1'), "
    "('images', 'images_name', '100000 100000 20 1 1'), ('images', 'images_size', '100000 100000 10 1 1'), "
    "('images', 'images_visibility', '100000 100000 25000 1 1'), ('images', 'images_state', '100000 20000 1'), "
    "('images', 'images_status', '100000 100000 20000 1 1'), ('images', 'images_deleted', '100000 50000'), "
    "('images', 'images_container_format', '100000 100000 50000 1 1'), ('images', 'images_checksum', '100000 2'), "
    "('images', 'images_disk_format', '100000 100000 30000 1 1'), ('images', 'images_hash', '100000 2'), "
    "('images', 'images_hash_algorithm', '100000 100000 50000 1 1'), "
    "('images', 'images_min_disk', '100000 100000 10000 1 1'), "
    "('images', 'images_min_ram', '100000 100000 10000 1 1'), ('images', 'images_protected', '1000 1000 1 1'), "
    "('images', 'images_hidden', '1000 1000 1 1')",
    "{sqlite}INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES "
    "('image_tags', 'sqlite_autoindex_image_tags_1', '200000 2 1'), "
    "('image_tags', 'image_tags_value', '200000 1000 1'), "
    "('image_properties', 'sqlite_autoindex_image_properties_1', '1000000 10 1'), "
    "('image_properties', 'image_properties_value', '1000000 20000 200 1'), "
    "('image_members', 'sqlite_autoindex_image_members_1', '50000 5 1'), "
    "('image_members', 'image_members_project', '50000 50 25 1')",
};

// Tasks: an index for each order, and for what has expired.
constexpr std::string_view kTaskOrders[] = {
    "CREATE INDEX IF NOT EXISTS tasks_updated ON tasks (updated_at, created_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_type ON tasks (type, created_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_status ON tasks (status, created_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_expires ON tasks (expires_at)",
};

struct Step {
  std::string_view what;
  std::span<const std::string_view> statements;
};
// Step n brings version n to n + 1.
constexpr Step kSteps[] = {
    {"images, tags, properties, locations, members", kBase},
    {"tasks; an index for every filter and sort", kTasksAndIndexes},
    {"indexes for what is rare", kRareFilters},
    {"SQLite: what the tables hold", kCounts},
    {"indexes for the orders of tasks, and for those that have expired", kTaskOrders},
};

bool IsFor(std::string_view mark, Engine engine) noexcept {
  switch (engine) {
    case Engine::kSqlite:
      return mark == "sqlite" || mark == "partial";
    case Engine::kMariaDb:
      return mark == "mariadb";
    case Engine::kPostgreSql:
      return mark == "postgresql" || mark == "partial";
  }
  return false;
}

std::string Meaning(std::string_view mark, Engine engine) {
  const bool mariadb = engine == Engine::kMariaDb;
  const bool postgresql = engine == Engine::kPostgreSql;
  if (mark == "E") return mariadb ? " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin" : "";
  if (mark == "N") return postgresql ? " NULLS FIRST" : "";
  if (mark == "L") return mariadb ? "LONGTEXT" : postgresql ? "TEXT COLLATE \"C\"" : "TEXT";
  return fmt::format("VARCHAR({}){}", mark.substr(2), postgresql ? " COLLATE \"C\"" : "");
}

// Empty where it is for another engine.
std::string Spelled(std::string_view statement, Engine engine) {
  std::string text;
  if (statement.starts_with('{')) {
    const std::size_t end = statement.find('}');
    if (!IsFor(statement.substr(1, end - 1), engine)) return text;
    statement.remove_prefix(end + 1);
  }
  for (std::size_t at = 0; at < statement.size(); ++at) {
    if (statement[at] != '{') {
      text += statement[at];
      continue;
    }
    const std::size_t end = statement.find('}', at);
    text += Meaning(statement.substr(at + 1, end - at - 1), engine);
    at = end;
  }
  return text;
}

// Which of these tables the database has.
Result<std::vector<std::string>> TablesOf(Connection& connection, const std::vector<std::string>& names) {
  Sql sql;
  switch (connection.engine()) {
    case Engine::kSqlite:
      sql << "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name IN ";
      break;
    case Engine::kMariaDb:
      sql << "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ";
      break;
    case Engine::kPostgreSql:
      sql << "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name "
             "IN ";
      break;
  }
  std::vector<std::string> found;
  for (const Row& row : PLATTER_TRY(connection.Select(sql.BindList(names), 1))) found.push_back(row[0].value_or(""));
  return found;
}

// Whether the table images has a column that only ours has.
Result<bool> ImagesAreOurs(Connection& connection) {
  const std::string_view columns =
      connection.engine() == Engine::kSqlite ? "SELECT name FROM pragma_table_info('images') WHERE name = 'live'"
      : connection.engine() == Engine::kMariaDb
          ? "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = "
            "'images' AND column_name = 'live'"
          : "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = "
            "'images' AND column_name = 'live'";
  return !PLATTER_TRY(connection.Select(Sql(columns), 1)).empty();
}

// A database without a version is empty, or one whose first step did not come to its end: then there are platter_schema
// and, before all other tables, images. Anything else with tables of those names is another program's; Glance's are.
Result<> CheckNobodyElses(Connection& connection, bool has_version) {
  const std::vector<std::string> tables =
      PLATTER_TRY(TablesOf(connection, {"images", "image_tags", "image_properties", "image_locations",
                                        "image_location_metadata", "image_members", "tasks"}));
  if (tables.empty() || (has_version && PLATTER_TRY(ImagesAreOurs(connection)))) return Done{};
  return Error(ErrorKind::kUnsupported, "this database is another program's")
      .Found("its table " + tables.front())
      .Try("give platterd a database of its own");
}

// 0 where there are no tables of ours. kUnsupported where there are another program's in their place.
Result<std::uint32_t> ReadVersion(Connection& connection) {
  const bool has_version = !PLATTER_TRY(TablesOf(connection, {"platter_schema"})).empty();
  if (!has_version) {
    PLATTER_CHECK(CheckNobodyElses(connection, has_version));
    return 0U;
  }
  const std::vector<Row> rows = PLATTER_TRY(connection.Select(Sql("SELECT version FROM platter_schema"), 1));
  std::uint32_t version = 0;
  if (rows.empty()) {
    PLATTER_CHECK(CheckNobodyElses(connection, has_version));
    return version;
  }
  const std::string text = rows[0][0].value_or("");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (rows.size() != 1 || error != std::errc{} || end != text.data() + text.size())
    return Error(ErrorKind::kCorrupt, "the table platter_schema does not hold one version").Found(text);
  return version;
}

Result<> Lock(Connection& connection) {
  if (connection.engine() == Engine::kMariaDb) {
    const auto rows = PLATTER_TRY(connection.Select(Sql("SELECT GET_LOCK('platter_schema', 60)"), 1));
    if (rows.size() != 1 || rows[0][0] != "1")
      return Error(ErrorKind::kIo, "another program is changing the schema, and does not come to an end");
  } else if (connection.engine() == Engine::kPostgreSql) {
    PLATTER_CHECK(connection.Select(Sql("SELECT 1 FROM (SELECT pg_advisory_xact_lock(1886151028)) AS locked"), 1));
  }
  return Done{};
}

Result<> Take(Connection& connection, std::uint32_t version) {
  if (version == 0)
    PLATTER_CHECK(connection.Run(Sql("CREATE TABLE IF NOT EXISTS platter_schema (version INTEGER NOT NULL)")));
  for (const std::string_view statement : kSteps[version].statements) {
    const std::string text = Spelled(statement, connection.engine());
    if (!text.empty()) PLATTER_CHECK(connection.Run(Sql(text)));
  }
  // MariaDB has committed each of these by itself, and is in no transaction any more.
  if (connection.engine() == Engine::kMariaDb) {
    PLATTER_CHECK(connection.Commit());
    PLATTER_CHECK(connection.Begin(Access::kWrite));
  }
  PLATTER_CHECK(connection.Run(Sql("DELETE FROM platter_schema")));
  Sql insert("INSERT INTO platter_schema (version) VALUES (");
  insert.Bind(std::uint64_t{version} + 1) << ")";
  PLATTER_CHECK(connection.Run(insert));
  return Done{};
}

// One step, or none where `wanted` is reached: whether there was one.
Result<bool> TakeNext(Connection& connection, std::uint32_t wanted, SchemaState& state) {
  PLATTER_CHECK(connection.Begin(Access::kWrite));
  PLATTER_CHECK(Lock(connection));
  state.found = PLATTER_TRY(ReadVersion(connection));
  PLATTER_CHECK(CheckNotNewer(state));
  if (state.found >= wanted) {
    PLATTER_CHECK(connection.Commit());
    return false;
  }
  PLATTER_CHECK(Take(connection, state.found));
  PLATTER_CHECK(connection.Commit());
  return true;
}

}  // namespace

std::uint32_t SchemaVersion() noexcept { return static_cast<std::uint32_t>(std::size(kSteps)); }

Result<> CheckNotNewer(const SchemaState& state) {
  if (state.found <= state.wanted) return Done{};
  return Error(ErrorKind::kUnsupported, "the database was made by a newer version of this program")
      .Found(fmt::format("schema version {}", state.found))
      .Allowed(fmt::format("up to {}", state.wanted));
}

Result<SchemaState> ReadSchemaState(const DatabaseUrl& url) {
  const CatalogOptions usual;
  const auto connection =
      PLATTER_TRY(Connection::Open(url, usual.connect_seconds, usual.wait_seconds, usual.statement_seconds));
  return SchemaState{PLATTER_TRY(ReadVersion(*connection)), SchemaVersion()};
}

Result<SchemaState> MigrateTo(const DatabaseUrl& url, std::uint32_t wanted,
                              const std::function<void(std::string_view)>& report) {
  // A table may have any number of rows, and each step goes through all of them: no statement has a limit.
  const auto connection = PLATTER_TRY(Connection::Open(url, CatalogOptions().connect_seconds));
  SchemaState state{0, SchemaVersion()};
  while (PLATTER_TRY(TakeNext(*connection, wanted, state))) {
    if (report)
      report(fmt::format("schema version {} -> {}: {}", state.found, state.found + 1, kSteps[state.found].what));
  }
  return state;
}

Result<SchemaState> Migrate(const DatabaseUrl& url, const std::function<void(std::string_view)>& report) {
  return MigrateTo(url, SchemaVersion(), report);
}

}  // namespace platter::registry
