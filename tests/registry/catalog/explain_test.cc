// What the databases say they would do for a listing, with a table that is worth an index.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "tests/registry/catalog/catalog_fixture.h"

namespace platter::registry {
namespace {

constexpr int kImages = 20000;

std::string IdOf(int number) { return fmt::format("{:08x}-0000-4000-8000-{:012x}", number * 7919 % 65521, number); }
std::string OwnerOf(int number) { return fmt::format("project-{}", number % 200); }

// A cloud's table: many projects, few formats, most values of the others different.
std::string ImageRow(int number) {
  const char* visibility = number % 10 == 0   ? "public"
                           : number % 10 == 1 ? "community"
                           : number % 2 == 0  ? "private"
                                              : "shared";
  const char* format = number % 100 == 0 ? "vmdk" : number % 3 == 0 ? "raw" : "qcow2";
  return fmt::format(
      "('{}', 'name {}', '{}', '{}', {:d}, {:d}, '{}', '{}', '{}', {}, {}, {}, {}, '{:032x}', '{}', '{:0128x}', "
      "{}, {}, NULL, 1, 1)",
      IdOf(number), number % 5000, number % 50 == 0 ? "queued" : "active", visibility, number % 100 == 3,
      number % 100 == 7, OwnerOf(number), format, number % 100 == 1 ? "ova" : "bare", number % 300, number % 400,
      number * 1000LL, number * 2000LL, number, number % 200 == 0 ? "sha256" : "sha512", number,
      1'700'000'000'000'000LL + number * 60'000'000LL,
      1'800'000'000'000'000LL + (number * 7919LL % 20011) * 60'000'000LL);
}

std::string TaskRow(int number) {
  return fmt::format("('{}', 'api_image_import', '{}', '{}', '{}', 'req', 'user', '', '', '', {}, {}, {})",
                     IdOf(number), number % 100 == 0 ? "processing" : "success", OwnerOf(number), IdOf(number * 2),
                     1'700'000'000'000'000LL + number * 60'000'000LL,
                     1'800'000'000'000'000LL + (number * 7919LL % 20011) * 60'000'000LL,
                     1'900'000'000'000'000LL + number);
}

// The part of MariaDB's line: id, select_type, table, type, possible_keys, key, key_len, ref, rows, Extra.
std::string Part(std::string_view line, int wanted) {
  constexpr std::string_view kBetween = " | ";
  for (; wanted > 0; --wanted) {
    const std::size_t at = line.find(kBetween);
    line.remove_prefix(at == std::string_view::npos ? line.size() : at + kBetween.size());
  }
  return std::string(line.substr(0, line.find(kBetween)));
}

// The word behind `before`, "" where that is not in the line.
std::string WordBehind(std::string_view line, std::string_view before) {
  const std::size_t at = line.find(before);
  if (at == std::string_view::npos) return "";
  line.remove_prefix(at + before.size());
  return std::string(line.substr(0, line.find_first_of(" ()")));
}

// The names of indexes; "id" is the primary key of images.
std::set<std::string> UsedIndexes(const std::vector<std::string>& lines, Engine engine) {
  std::set<std::string> names;
  for (const std::string& line : lines) {
    switch (engine) {
      case Engine::kSqlite:
        names.insert(WordBehind(line, " INDEX "));
        break;
      case Engine::kMariaDb:
        names.insert(Part(line, 5) == "PRIMARY" && Part(line, 2) == "i" ? "id" : Part(line, 5));
        break;
      case Engine::kPostgreSql:
        names.insert(WordBehind(line, line.find("Bitmap Index Scan") == std::string::npos ? " using " : " on "));
        break;
    }
  }
  for (const char* primary : {"sqlite_autoindex_images_1", "images_pkey"}) {
    if (names.erase(primary) != 0) names.insert("id");
  }
  return names;
}

bool IsScan(const std::string& line, Engine engine) {
  switch (engine) {
    case Engine::kSqlite:  // b1, b2, ...: a selection's rows, no more than a page
      return line.starts_with("SCAN ") && line.find(" INDEX ") == std::string::npos && !line.starts_with("SCAN b");
    case Engine::kMariaDb:
      return Part(line, 3) == "ALL" && !Part(line, 2).starts_with('<');
    case Engine::kPostgreSql:
      return line.find("Seq Scan") != std::string::npos;
  }
  return true;
}

bool HasSort(const std::string& plan, Engine engine) {
  switch (engine) {
    case Engine::kSqlite:
      return plan.find("TEMP B-TREE") != std::string::npos;
    case Engine::kMariaDb:
      return plan.find("filesort") != std::string::npos;
    case Engine::kPostgreSql:
      return plan.find("Sort") != std::string::npos;
  }
  return true;
}

class ExplainTest : public CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    const auto connection = database_.Connect();
    ASSERT_TRUE(connection->Begin(Access::kWrite).ok());
    InsertAll(
        *connection, "images",
        "id, name, status, visibility, is_protected, hidden, owner, disk_format, "
        "container_format, min_disk, min_ram, size, virtual_size, checksum, hash_algorithm, hash_value, created_at, "
        "updated_at, deleted_at, version, live",
        kImages, ImageRow);
    InsertAll(*connection, "image_tags", "image_id, value", kImages,
              [](int number) { return fmt::format("('{}', 'tag {}')", IdOf(number), number % 500); });
    InsertAll(*connection, "image_properties", "image_id, name, value", kImages,
              [](int number) { return fmt::format("('{}', 'os_type', 'value {}')", IdOf(number), number % 500); });
    InsertAll(*connection, "image_members", "image_id, project, status, created_at, updated_at", kImages / 10,
              [](int number) {
                return fmt::format("('{}', 'project-{}', '{}', 1, 1)", IdOf(number * 10 + 3), number % 50,
                                   number % 7 == 0 ? "pending" : "accepted");
              });
    InsertAll(*connection, "tasks",
              "id, type, status, owner, image_id, request_id, user_id, input, result, message, created_at, updated_at, "
              "expires_at",
              kImages / 4, TaskRow);
    ASSERT_TRUE(connection->Commit().ok());
    // SQLite's own counts come with the schema.
    for (const std::string_view table : {"images", "image_tags", "image_properties", "image_members", "tasks"}) {
      if (database_.engine() == Engine::kSqlite) continue;
      const auto analysed = database_.engine() == Engine::kMariaDb
                                ? connection->Select(Sql(fmt::format("ANALYZE TABLE {}", table)), 4)
                                : connection->Select(Sql(fmt::format("ANALYZE {}", table)), 0);
      ASSERT_TRUE(analysed.ok()) << analysed.error().Describe();
    }
  }

  template <class RowOf>
  static void InsertAll(Connection& connection, std::string_view table, std::string_view columns, int count,
                        const RowOf& row) {
    constexpr int kAtOnce = 500;
    for (int from = 0; from < count; from += kAtOnce) {
      std::string statement = fmt::format("INSERT INTO {} ({}) VALUES ", table, columns);
      for (int number = from; number < std::min(from + kAtOnce, count); ++number)
        statement += (number == from ? "" : ", ") + row(number);
      test::Execute(connection, statement);
    }
  }

  // A filter without an index of its own goes through the order's.
  std::set<std::string> Indexes(const ImageQuery& query) { return UsedIndexes(Lines(query), database_.engine()); }
  std::vector<std::string> Lines(const ImageQuery& query) {
    auto lines = catalog_->Explain(query);
    EXPECT_TRUE(lines.ok()) << lines.error().Describe();
    return lines.ok() ? std::move(lines).value() : std::vector<std::string>();
  }
  // Every filter has an index, and the databases take it.
  void ExpectFiltersServed();
  // Every sort is the order of an index: nothing is sorted, on the first page and behind it.
  void ExpectSortsServed();
  void ExpectTasksServed();
  // Whoever looks: no table is read from its beginning to its end.
  void ExpectNoScan(ImageQuery query, std::string_view what) {
    for (const int viewer : {0, 1, 2}) {
      query.viewer = {viewer == 0, viewer == 2 ? std::nullopt : std::optional(OwnerOf(7))};
      const std::vector<std::string> lines = Lines(query);
      for (const std::string& line : lines)
        EXPECT_FALSE(IsScan(line, database_.engine())) << what << ", viewer " << viewer << ":\n"
                                                       << fmt::to_string(fmt::join(lines, "\n"));
    }
  }
};

struct FilterCase {
  const char* what;
  std::function<void(ImageQuery&)> set;
  std::set<std::string> indexes;  // one of them is used
};

const FilterCase kFilters[] = {
    {"nothing", [](ImageQuery&) {}, {"images_created", "images_hidden"}},
    {"id",
     [](ImageQuery& query) {
       query.ids = {IdOf(1), IdOf(2)};
     },
     {"id"}},
    {"name", [](ImageQuery& query) { query.names = {"name 17"}; }, {"images_name"}},
    {"names",
     [](ImageQuery& query) {
       query.names = {"name 17", "name 18", "nobody"};
     },
     {"images_name"}},
    {"status", [](ImageQuery& query) { query.statuses = {"queued"}; }, {"images_status"}},
    {"disk_format", [](ImageQuery& query) { query.disk_formats = {"vmdk"}; }, {"images_disk_format"}},
    {"container_format", [](ImageQuery& query) { query.container_formats = {"ova"}; }, {"images_container_format"}},
    {"owner", [](ImageQuery& query) { query.owners = {OwnerOf(3)}; }, {"images_owner"}},
    {"visibility", [](ImageQuery& query) { query.visibility = Visibility::kCommunity; }, {"images_visibility"}},
    {"protected", [](ImageQuery& query) { query.is_protected = true; }, {"images_protected"}},
    {"os_hidden", [](ImageQuery& query) { query.hidden = true; }, {"images_hidden"}},
    {"tag", [](ImageQuery& query) { query.tags = {"tag 5"}; }, {"image_tags_value"}},
    {"tags",
     [](ImageQuery& query) {
       query.tags = {"tag 5", "tag 6"};
     },
     {"image_tags_value"}},
    {"size", [](ImageQuery& query) { query.size = 9000; }, {"images_size"}},
    {"size_min", [](ImageQuery& query) { query.size_min = 19'990'000; }, {"images_size", "images_created"}},
    {"size_max", [](ImageQuery& query) { query.size_max = 9000; }, {"images_size", "images_created"}},
    {"min_disk", [](ImageQuery& query) { query.min_disk = 17; }, {"images_min_disk"}},
    {"min_ram", [](ImageQuery& query) { query.min_ram = 17; }, {"images_min_ram"}},
    {"checksum", [](ImageQuery& query) { query.checksum = "00000000000000000000000000000011"; }, {"images_checksum"}},
    {"os_hash_value", [](ImageQuery& query) { query.hash_value = "x"; }, {"images_hash"}},
    {"os_hash_algo", [](ImageQuery& query) { query.hash_algorithm = "sha256"; }, {"images_hash_algorithm"}},
    {"property",
     [](ImageQuery& query) {
       query.properties = {{"os_type", "value 5"}};
     },
     {"image_properties_value"}},
    {"properties",
     [](ImageQuery& query) {
       query.properties = {{"os_type", "value 5"}, {"os_distro", "value 5"}};
     },
     {"image_properties_value"}},
    {"as many as may be",
     [](ImageQuery& query) {
       for (std::size_t at = 0; at < kMostConditions / 2; ++at) {
         query.tags.push_back(fmt::format("tag {}", at));
         query.properties.emplace_back("os_type", fmt::format("value {}", at));
       }
     },
     {"image_properties_value", "image_tags_value"}},
    {"created_at",
     [](ImageQuery& query) {
       query.created = {{Comparison::kLess, Instant(std::chrono::seconds(1'700'001'000))}};
     },
     {"images_created", "images_hidden"}},
    {"updated_at",
     [](ImageQuery& query) {
       query.updated = {{Comparison::kLess, Instant(std::chrono::seconds(1'800'001'000))}};
     },
     {"images_updated", "images_created"}},
};

void ExplainTest::ExpectFiltersServed() {
  for (const FilterCase& filter : kFilters) {
    ImageQuery query;
    filter.set(query);
    ExpectNoScan(query, filter.what);
    query.viewer.admin = true;
    const std::set<std::string> used = Indexes(query);
    const bool served = std::ranges::any_of(used, [&](const auto& index) { return filter.indexes.contains(index); });
    EXPECT_TRUE(served) << filter.what << ":\n" << fmt::to_string(fmt::join(Lines(query), "\n"));
  }
}

void ExplainTest::ExpectSortsServed() {
  const std::pair<Sort, const char*> sorts[] = {{Sort::kName, "images_name"},
                                                {Sort::kStatus, "images_status"},
                                                {Sort::kContainerFormat, "images_container_format"},
                                                {Sort::kDiskFormat, "images_disk_format"},
                                                {Sort::kSize, "images_size"},
                                                {Sort::kId, "id"},
                                                {Sort::kCreatedAt, "images_created"},
                                                {Sort::kUpdatedAt, "images_updated"}};
  for (const auto& [key, index] : sorts) {
    for (const bool ascending : {true, false}) {
      for (const bool second_page : {false, true}) {
        ImageQuery query;
        query.sort = {{key, ascending}};
        if (second_page) query.marker = IdOf(12520);
        const std::string what = fmt::format("{} {} {}", index, ascending, second_page);
        ExpectNoScan(query, what);
        query.viewer.admin = true;
        const std::vector<std::string> lines = Lines(query);
        const std::string plan = fmt::format("{}", fmt::join(lines, "\n"));
        EXPECT_TRUE(UsedIndexes(lines, database_.engine()).contains(index)) << what << ":\n" << plan;
        EXPECT_FALSE(HasSort(plan, database_.engine())) << what << ":\n" << plan;
      }
    }
  }
}

void ExplainTest::ExpectTasksServed() {
  const std::pair<TaskSort, std::set<std::string>> sorts[] = {
      {TaskSort::kCreatedAt, {"tasks_created"}},
      {TaskSort::kUpdatedAt, {"tasks_updated"}},
      {TaskSort::kType, {"tasks_type"}},
      {TaskSort::kStatus, {"tasks_status"}},
      {TaskSort::kId, {"sqlite_autoindex_tasks_1", "PRIMARY", "tasks_pkey"}}};
  for (const auto& [key, any_of] : sorts) {
    for (const bool newest_first : {true, false}) {
      TaskQuery query;
      query.viewer.admin = true;
      query.sort = key;
      query.newest_first = newest_first;
      const std::vector<std::string> lines = catalog_->Explain(query).value();
      const std::string plan = fmt::format("{}", fmt::join(lines, "\n"));
      const std::set<std::string> used = UsedIndexes(lines, database_.engine());
      EXPECT_NE(std::ranges::find_first_of(used, any_of), used.end()) << plan;
      EXPECT_FALSE(HasSort(plan, database_.engine())) << plan;
    }
  }
  TaskQuery query;
  query.viewer.admin = true;
  query.status = "processing";
  EXPECT_TRUE(UsedIndexes(catalog_->Explain(query).value(), database_.engine()).contains("tasks_status"));
}

// One case, as to fill the table takes longer than to ask.
TEST_F(ExplainTest, EveryFilterAndSortIsServedByAnIndex) {
  ExpectFiltersServed();
  ExpectSortsServed();
  ExpectTasksServed();
}

}  // namespace
}  // namespace platter::registry
