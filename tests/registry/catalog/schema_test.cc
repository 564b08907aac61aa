#include "registry-core/catalog/schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/registry/catalog/catalog_fixture.h"

namespace platter::registry {
namespace {

class SchemaTest : public testing::Test {
 protected:
  std::uint32_t Version() const { return ReadSchemaState(database_.url()).value().found; }

  test::Database database_;
};

TEST_F(SchemaTest, AnEmptyDatabaseIsBroughtUpStepByStep) {
  EXPECT_EQ(Version(), 0U);
  EXPECT_EQ(Catalog::Open(database_.url()).error().kind(), ErrorKind::kUnsupported);
  std::vector<std::string> lines;
  const auto report = [&](std::string_view line) { lines.emplace_back(line); };
  const SchemaState state = Migrate(database_.url(), report).value();
  EXPECT_EQ(state.found, SchemaVersion());
  EXPECT_EQ(state.wanted, SchemaVersion());
  EXPECT_EQ(lines.size(), SchemaVersion());
  EXPECT_EQ(Version(), SchemaVersion());
  EXPECT_TRUE(Catalog::Open(database_.url()).ok());
  lines.clear();
  EXPECT_EQ(Migrate(database_.url(), report).value().found, SchemaVersion());
  EXPECT_TRUE(lines.empty());
}

TEST_F(SchemaTest, ANewerOneIsRefusedAndLeftAlone) {
  ASSERT_TRUE(Migrate(database_.url(), {}).ok());
  const auto connection = database_.Connect();
  test::Execute(*connection, fmt::format("UPDATE platter_schema SET version = {}", SchemaVersion() + 1));
  for (const bool migrate : {false, true}) {
    const auto opened = Catalog::Open(database_.url(), {}, migrate);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().kind(), ErrorKind::kUnsupported);
    EXPECT_EQ(opened.error().found(), fmt::format("schema version {}", SchemaVersion() + 1));
  }
  EXPECT_EQ(Migrate(database_.url(), {}).error().kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(Version(), SchemaVersion() + 1);
}

TEST_F(SchemaTest, AVersionThatIsNoneIsCorrupt) {
  ASSERT_TRUE(Migrate(database_.url(), {}).ok());
  test::Execute(*database_.Connect(), "UPDATE platter_schema SET version = -1");
  EXPECT_EQ(ReadSchemaState(database_.url()).error().kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(Migrate(database_.url(), {}).error().kind(), ErrorKind::kCorrupt);
  test::Execute(*database_.Connect(), "INSERT INTO platter_schema (version) VALUES (1)");
  EXPECT_EQ(ReadSchemaState(database_.url()).error().kind(), ErrorKind::kCorrupt);
}

// A Glance's, or what anybody else has under one of our names; with what a program that did not look may have begun.
TEST_F(SchemaTest, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  const std::vector<const char*> kRows[] = {
      {"images (id VARCHAR(36) NOT NULL PRIMARY KEY, name VARCHAR(255), size BIGINT, status VARCHAR(30) NOT NULL, "
       "deleted SMALLINT NOT NULL, checksum VARCHAR(32), owner VARCHAR(255), min_disk INTEGER NOT NULL)",
       "tasks (id VARCHAR(36) NOT NULL PRIMARY KEY, type VARCHAR(30) NOT NULL)"},
      {"image_tags (id INTEGER NOT NULL PRIMARY KEY, value VARCHAR(255) NOT NULL)"},
      {"tasks (id VARCHAR(36) NOT NULL PRIMARY KEY)", "platter_schema (version INTEGER NOT NULL)"},
      {"images (id VARCHAR(36) NOT NULL PRIMARY KEY)", "platter_schema (version INTEGER NOT NULL)"},
  };
  for (const auto& tables : kRows) {
    const test::Database database;
    const auto connection = database.Connect();
    for (const char* table : tables) test::Execute(*connection, fmt::format("CREATE TABLE {}", table));
    for (const bool migrate : {false, true}) {
      const auto opened = Catalog::Open(database.url(), {}, migrate);
      ASSERT_FALSE(opened.ok());
      EXPECT_EQ(opened.error().kind(), ErrorKind::kUnsupported);
      EXPECT_NE(opened.error().Describe().find("another program's"), std::string::npos) << opened.error().Describe();
    }
    EXPECT_EQ(ReadSchemaState(database.url()).error().kind(), ErrorKind::kUnsupported);
    for (const char* table : tables) {
      const std::string name(table, std::string_view(table).find(' '));
      EXPECT_TRUE(connection->Run(Sql("DROP TABLE " + name)).ok()) << name;
    }
    // Nothing was made beside them.
    EXPECT_EQ(ReadSchemaState(database.url()).value().found, 0U);
    EXPECT_FALSE(connection->Run(Sql("DROP TABLE platter_schema")).ok());
    EXPECT_FALSE(connection->Run(Sql("DROP TABLE image_members")).ok());
  }
}

// Ended between two statements of a step, as MariaDB keeps each: what is there does not stand in the way.
TEST_F(SchemaTest, AStepThatWasCutShortIsTakenAgain) {
  ASSERT_TRUE(MigrateTo(database_.url(), 1, {}).ok());
  const auto connection = database_.Connect();
  test::Execute(*connection, "CREATE INDEX images_name ON images (live, created_at)");
  test::Execute(*connection, "DELETE FROM platter_schema");
  EXPECT_EQ(Version(), 0U);
  EXPECT_EQ(Migrate(database_.url(), {}).value().found, SchemaVersion());
  EXPECT_TRUE(Catalog::Open(database_.url()).ok());
}

TEST_F(SchemaTest, SeveralAtOnceTakeEachStepOnce) {
  constexpr int kMany = 6;
  std::vector<std::string> lines;
  std::vector<std::string> errors;
  std::mutex mutex;
  {
    std::vector<std::jthread> threads;
    for (int at = 0; at < kMany; ++at) {
      threads.emplace_back([&] {
        const auto done = Migrate(database_.url(), [&](std::string_view line) {
          const std::lock_guard lock(mutex);
          lines.emplace_back(line);
        });
        const std::lock_guard lock(mutex);
        if (!done.ok())
          errors.push_back(done.error().Describe());
        else if (done.value().found != SchemaVersion())
          errors.push_back(fmt::format("version {}", done.value().found));
      });
    }
  }
  EXPECT_EQ(errors, std::vector<std::string>());
  EXPECT_EQ(lines.size(), SchemaVersion());
  EXPECT_EQ(Version(), SchemaVersion());
}

// Rows as the first version of the schema had them, with every kind of part; each later step keeps them.
TEST_F(SchemaTest, AnUpgradeKeepsEveryRow) {
  ASSERT_TRUE(MigrateTo(database_.url(), 1, {}).ok());
  const auto connection = database_.Connect();
  constexpr int kImages = 50;
  for (int at = 0; at < kImages; ++at) {
    const std::string id = fmt::format("00000000-0000-4000-8000-{:012}", at);
    const std::string key = "'" + id + "'";
    const bool gone = at % 10 == 9;
    test::Execute(*connection,
                  fmt::format("INSERT INTO images (id, name, status, visibility, is_protected, hidden, owner, "
                              "disk_format, container_format, min_disk, min_ram, size, virtual_size, checksum, "
                              "hash_algorithm, hash_value, created_at, updated_at, deleted_at, version, live) VALUES "
                              "({}, {}, '{}', 'shared', {}, {}, 'here', 'qcow2', 'bare', 3, 512, {}, 9000, 'c', "
                              "'sha512', 'h', {}, {}, {}, 7, {})",
                              key, at % 3 == 0 ? "NULL" : "'n'", gone ? "deleted" : "active", at % 2,
                              at % 4 == 1 ? 1 : 0, at % 5 == 0 ? "NULL" : std::to_string(at), 1000 + at, 2000 + at,
                              gone ? "3000" : "NULL", gone ? 0 : 1));
    test::Execute(*connection,
                  fmt::format("INSERT INTO image_tags (image_id, value) VALUES ({0}, 'a'), ({0}, 'b')", key));
    test::Execute(*connection,
                  fmt::format("INSERT INTO image_properties (image_id, name, value) VALUES ({}, 'p', '{}')", key, at));
    test::Execute(*connection, fmt::format("INSERT INTO image_locations (image_id, position, url, store) VALUES "
                                           "({0}, 0, 'file:///{1}', 's'), ({0}, 1, 'http://{1}', '')",
                                           key, at));
    test::Execute(*connection, fmt::format("INSERT INTO image_location_metadata (image_id, position, name, value) "
                                           "VALUES ({}, 1, 'm', '{}')",
                                           key, at));
    test::Execute(*connection, fmt::format("INSERT INTO image_members (image_id, project, status, created_at, "
                                           "updated_at) VALUES ({}, 'there', 'accepted', 5, 6)",
                                           key));
  }
  for (std::uint32_t version = 2; version <= SchemaVersion(); ++version)
    ASSERT_EQ(MigrateTo(database_.url(), version, {}).value().found, version);
  const auto catalog = Catalog::Open(database_.url()).value();
  for (int at = 0; at < kImages; ++at) {
    const bool gone = at % 10 == 9;
    ImageRecord image;
    image.id = fmt::format("00000000-0000-4000-8000-{:012}", at);
    if (at % 3 != 0) image.name = "n";
    image.status = gone ? Status::kDeleted : Status::kActive;
    image.is_protected = at % 2 == 1;
    image.hidden = at % 4 == 1;
    image.owner = "here";
    image.disk_format = "qcow2";
    image.container_format = "bare";
    image.min_disk = 3;
    image.min_ram = 512;
    if (at % 5 != 0) image.size = static_cast<std::uint64_t>(at);
    image.virtual_size = 9000;
    image.checksum = "c";
    image.hash_algorithm = "sha512";
    image.hash_value = "h";
    image.tags = {"a", "b"};
    image.properties = {{"p", std::to_string(at)}};
    image.locations = {{fmt::format("file:///{}", at), "s", {}},
                       {fmt::format("http://{}", at), "", {{"m", std::to_string(at)}}}};
    image.created = Instant(std::chrono::microseconds(1000 + at));
    image.updated = Instant(std::chrono::microseconds(2000 + at));
    if (gone) image.deleted = Instant(std::chrono::microseconds(3000));
    image.version = 7;
    ExpectEqual(catalog->Find(image.id, true).value(), image);
    const std::vector<Member> members = catalog->ListMembers(image.id).value();
    ASSERT_EQ(members.size(), 1U);
    EXPECT_EQ(members[0].project, "there");
    EXPECT_EQ(members[0].status, MemberStatus::kAccepted);
  }
}

}  // namespace
}  // namespace platter::registry
