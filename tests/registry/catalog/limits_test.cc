// How much a record, a page and a connection may hold.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <functional>
#include <map>
#include <set>

#include "registry-core/catalog/records.h"
#include "tests/registry/catalog/catalog_fixture.h"

namespace platter::registry {
namespace {

std::map<std::string, std::string> Values(std::size_t count, std::size_t bytes) {
  std::map<std::string, std::string> values;
  for (std::size_t at = 0; at < count; ++at) values.emplace(fmt::format("p{:03}", at), std::string(bytes, 'v'));
  return values;
}

using LimitsTest = CatalogTest;

TEST_F(LimitsTest, WhatIsTooLargeIsRefusedAndNothingChanges) {
  const ImageRecord stored = Insert(Image("one"));
  std::uint64_t version = stored.version;
  const std::string url(200, 'u');
  const struct {
    const char* what;
    std::map<std::string, std::string> properties;
    std::vector<Location> locations;
    std::optional<ErrorKind> error;
  } kRows[] = {
      {"the longest value", Values(1, 65535), {}, std::nullopt},
      {"a value too long", Values(1, 65536), {}, ErrorKind::kInvalid},
      {"values that fit together", Values(4, 65000), {}, std::nullopt},
      {"values that do not", Values(4, 65535), {}, ErrorKind::kLimit},
      {"short values that do not", Values(128, 2048), {}, ErrorKind::kLimit},
      {"metadata that fits", {}, {{url, "", {{"m", std::string(260000, 'm')}}}}, std::nullopt},
      {"metadata that does not", {}, {{url, "", {{"m", std::string(263000, 'm')}}}}, ErrorKind::kLimit},
      {"metadata beside values", Values(2, 65000), {{url, "", Values(3, 65000)}}, ErrorKind::kLimit},
  };
  for (const auto& row : kRows) {
    const auto apply = [&](ImageRecord& record) -> Result<> {
      record.properties = row.properties;
      record.locations = row.locations;
      return Done{};
    };
    ImageRecord fresh = Image("fresh");
    ASSERT_TRUE(apply(fresh).ok());
    const auto inserted = catalog_->Insert(fresh);
    const auto changed = catalog_->Change(stored.id, apply);
    for (const auto* result : {&inserted, &changed}) {
      EXPECT_EQ(result->ok(), !row.error) << row.what;
      if (!result->ok()) {
        EXPECT_EQ(result->error().kind(), row.error) << row.what;
      }
    }
    EXPECT_EQ(catalog_->Find(fresh.id).ok(), !row.error) << row.what;
    if (!row.error) ++version;
    EXPECT_EQ(catalog_->Find(stored.id).value().version, version) << row.what;
  }
}

TEST_F(LimitsTest, AnUploadHasRoomForItsLocation) {
  ImageRecord image = Image("full");
  image.properties = Values(4, kMostBulkBytes / 4 - 4);
  image = Insert(std::move(image));
  for (const Status status : {Status::kSaving, Status::kActive}) {
    const auto changed = catalog_->Change(image.id, [&](ImageRecord& record) -> Result<> {
      record.status = status;
      if (status == Status::kActive) record.locations = {{"file:///images/x", "file", {{"store", "file"}}}};
      return Done{};
    });
    EXPECT_TRUE(changed.ok()) << changed.error().Describe();
  }
}

// Of a version that had no limits.
TEST_F(LimitsTest, WhatIsTooLargeAlreadyCanBeMadeSmallerAndDeleted) {
  const ImageRecord image = Insert(Image("one"));
  const auto connection = database_.Connect();
  for (int at = 0; at < 5; ++at) {
    Sql insert("INSERT INTO image_properties (image_id, name, value) VALUES ");
    ASSERT_TRUE(connection->Run(insert.BindList({image.id, std::to_string(at), std::string(70000, 'x')})).ok());
  }
  const auto change = [&](const std::function<void(ImageRecord&)>& work) {
    const auto changed = catalog_->Change(image.id, [&](ImageRecord& record) -> Result<> {
      work(record);
      return Done{};
    });
    return changed.ok() ? std::optional<ErrorKind>() : changed.error().kind();
  };
  EXPECT_EQ(change([](ImageRecord& record) { record.name = "two"; }), std::nullopt);
  EXPECT_EQ(change([](ImageRecord& record) { record.properties["more"] = "x"; }), ErrorKind::kLimit);
  EXPECT_EQ(change([](ImageRecord& record) { record.properties["0"] = std::string(69000, 'y'); }), ErrorKind::kInvalid);
  EXPECT_EQ(change([](ImageRecord& record) { record.properties.erase("0"); }), std::nullopt);
  EXPECT_EQ(change([](ImageRecord& record) { record.status = Status::kDeleted; }), std::nullopt);
}

TEST_F(LimitsTest, APageOfLargeRecordsEndsEarlyAndLosesNone) {
  std::set<std::string> all;
  for (int at = 0; at < 70; ++at) {
    ImageRecord image = Image("large");
    image.properties = Values(4, 62000);
    all.insert(Insert(std::move(image)).id);
  }
  ImageQuery query = As("here");
  query.limit = 1000;
  std::set<std::string> seen;
  for (const std::size_t wanted : {64U, 6U, 0U}) {
    const auto page = catalog_->List(query).value();
    EXPECT_EQ(page.size(), wanted);
    for (const ImageRecord& image : page) EXPECT_TRUE(seen.insert(image.id).second);
    if (!page.empty()) query.marker = page.back().id;
  }
  EXPECT_EQ(seen, all);
}

TEST_F(LimitsTest, PartsOfAnyNumberAreFewStatements) {
  const auto connection = database_.Connect();
  Sql all("SELECT ");
  all << kImageSelection << " FROM images i ORDER BY i.min_disk";
  for (std::size_t count = 0; count < 140; ++count) {
    ImageRecord image = Image("one");
    image.min_disk = count;
    image.properties = Values(count, 3);
    for (std::size_t at = 0; at < count; ++at) image.tags.insert(std::to_string(at));
    ASSERT_TRUE(InsertImage(*connection, image).ok());
    const auto read = ReadImages(*connection, connection->Select(all, kImageColumns).value()).value();
    ASSERT_EQ(read.size(), count + 1);
    EXPECT_EQ(read.back().properties, image.properties);
    EXPECT_EQ(read.back().tags, image.tags);
  }
  EXPECT_LE(connection->prepared(), 40U);
}

std::size_t InUse() {
  const struct mallinfo2 now = mallinfo2();
  return now.uordblks + now.hblkhd;
}

// A hundred statements may be kept.
TEST_F(LimitsTest, AStatementKeepsNothingLongThatItMoved) {
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  const auto connection = database_.Connect();
  const ImageRecord image = Insert(Image("one"));
  Sql insert("INSERT INTO image_properties (image_id, name, value) VALUES ");
  ASSERT_TRUE(connection->Run(insert.BindList({image.id, "long", std::string(kBytes, 'x')})).ok());
  const std::size_t before = InUse();
  for (int at = 0; at < 40; ++at) {
    Sql given("UPDATE image_properties SET value = ");
    (given.Bind(std::string(kBytes, 'y')) << " WHERE name = 'long' AND 1 < " << std::to_string(at + 2));
    ASSERT_EQ(connection->Run(given).value(), 1U);
    const Sql found(fmt::format("SELECT value FROM image_properties WHERE name = 'long' AND 1 < {}", at + 2));
    ASSERT_EQ(connection->Select(found, 1).value()[0][0].value().size(), kBytes);
  }
  EXPECT_LT(InUse(), before + 8 * kBytes);
}

}  // namespace
}  // namespace platter::registry
