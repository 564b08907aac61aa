// Listings against the model, with filters and sorts that a die chose.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/registry/catalog/catalog_fixture.h"
#include "tests/registry/catalog/catalog_model.h"

namespace platter::registry {
namespace {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Below(std::uint64_t end) { return engine_() % end; }
  bool OneIn(std::uint64_t many) { return Below(many) == 0; }
  template <class T>
  T Of(const std::vector<T>& values) {
    return values[Below(values.size())];
  }
  template <class T>
  std::vector<T> Some(const std::vector<T>& values) {
    std::vector<T> some;
    for (std::uint64_t count = 1 + Below(3); count > 0; --count) some.push_back(Of(values));
    return some;
  }

 private:
  std::mt19937_64 engine_;
};

// What looks alike to a database that compares letters rather than bytes, or numbers as floating point.
const std::vector<std::string> kNames = {"", "a", "A", "a ", "\xC3\xA4", "a%", "_", "\xF0\x9F\x90\xA7", "\xEF\xBF\xBF",
                                         "'"};
const std::vector<std::uint64_t> kSizes = {0,
                                           1,
                                           4095,
                                           (std::uint64_t{1} << 53),
                                           (std::uint64_t{1} << 53) + 1,
                                           std::numeric_limits<std::int64_t>::max() - 1,
                                           std::numeric_limits<std::int64_t>::max()};
const std::vector<std::string> kProjects = {"here", "there", "Here"};
const std::vector<std::string> kTags = {"a", "A", "a ", "b", "\xC3\xA4", ""};
const std::vector<std::string> kFormats = {"raw", "qcow2", "vmdk"};
const std::vector<std::string> kContainers = {"bare", "ovf"};
const std::vector<std::string> kChecksums = {"0", "00", "f"};
const std::vector<Visibility> kVisibilities = {Visibility::kPublic, Visibility::kPrivate, Visibility::kShared,
                                               Visibility::kCommunity};
const std::vector<MemberStatus> kMemberStatuses = {MemberStatus::kPending, MemberStatus::kAccepted,
                                                   MemberStatus::kRejected};
const std::vector<Status> kStatuses = {Status::kQueued,    Status::kSaving,      Status::kActive,       Status::kKilled,
                                       Status::kUploading, Status::kDeactivated, Status::kPendingDelete};
const std::vector<Sort> kSorts = {Sort::kName, Sort::kStatus, Sort::kContainerFormat, Sort::kDiskFormat,
                                  Sort::kSize, Sort::kId,     Sort::kCreatedAt,       Sort::kUpdatedAt};
const std::vector<Comparison> kComparisons = {Comparison::kEqual,   Comparison::kNotEqual,
                                              Comparison::kLess,    Comparison::kLessOrEqual,
                                              Comparison::kGreater, Comparison::kGreaterOrEqual};

std::string LongValue(char last) {
  std::string value(300, 'v');
  value.back() = last;
  return value;
}

Instant SomeInstant(Dice& dice) {
  return Instant(std::chrono::seconds(1'700'000'000 + dice.Below(5))) +
         std::chrono::microseconds(dice.OneIn(2) ? 0 : dice.Below(3) * 400'000);
}

ImageRecord SomeImage(Dice& dice) {
  ImageRecord image;
  image.id = fmt::format("{:08x}-0000-4000-8000-{:012x}", dice.Below(1U << 31), dice.Below(1U << 31));
  if (!dice.OneIn(4)) image.name = dice.Of(kNames);
  image.status = dice.Of(kStatuses);
  image.visibility = dice.Of(kVisibilities);
  image.is_protected = dice.OneIn(3);
  image.hidden = dice.OneIn(5);
  if (!dice.OneIn(6)) image.owner = dice.Of(kProjects);
  if (!dice.OneIn(4)) image.disk_format = dice.Of(kFormats);
  if (!dice.OneIn(4)) image.container_format = dice.Of(kContainers);
  image.min_disk = dice.Below(2);
  image.min_ram = dice.Below(3);
  if (!dice.OneIn(4)) image.size = dice.Of(kSizes);
  if (dice.OneIn(2)) image.checksum = dice.Of(kChecksums);
  if (dice.OneIn(2)) image.hash_value = dice.Of(kChecksums);
  if (dice.OneIn(2)) image.hash_algorithm = dice.OneIn(3) ? "sha256" : "sha512";
  for (const std::string& tag : kTags) {
    if (dice.OneIn(3)) image.tags.insert(tag);
  }
  for (const std::string& name : kNames) {
    if (dice.OneIn(4)) image.properties[name] = dice.OneIn(3) ? LongValue(dice.OneIn(2) ? 'x' : 'X') : dice.Of(kNames);
  }
  image.created = SomeInstant(dice);
  image.updated = SomeInstant(dice);
  if (dice.OneIn(12)) {
    image.status = Status::kDeleted;
    image.deleted = image.updated;
  }
  return image;
}

void AddSomeFilter(Dice& dice, const CatalogModel& model, ImageQuery& query) {
  const auto beside = [&](std::uint64_t number) { return dice.OneIn(8) ? number + dice.Below(2) : number; };
  switch (dice.Below(19)) {
    case 0:
      for (std::uint64_t count = 1 + dice.Below(9); count > 0; --count) query.ids.push_back(dice.Of(model.images).id);
      return;
    case 1:
      query.names = dice.Some(kNames);
      return;
    case 2:
      for (const Status status : dice.Some(kStatuses)) query.statuses.emplace_back(StatusName(status));
      return;
    case 3:
      query.disk_formats = dice.Some(kFormats);
      return;
    case 4:
      query.container_formats = dice.Some(kContainers);
      return;
    case 5:
      query.owners = dice.Some(kProjects);
      return;
    case 6:
      query.visibility = dice.Of(kVisibilities);
      return;
    case 7:
      query.all_visibilities = true;
      return;
    case 8:
      query.is_protected = dice.OneIn(2);
      return;
    case 9:
      query.hidden = true;
      return;
    case 10:
      query.tags = dice.Some(kTags);
      return;
    case 11:
      query.size_min = beside(dice.Of(kSizes));
      return;
    case 12:
      query.size_max = dice.OneIn(6) ? std::numeric_limits<std::uint64_t>::max() : beside(dice.Of(kSizes));
      return;
    case 13:
      query.size = beside(dice.Of(kSizes));
      return;
    case 14:
      (dice.OneIn(2) ? query.min_disk : query.min_ram) = dice.Below(3);
      return;
    case 15:
      (dice.OneIn(2) ? query.checksum : query.hash_value) = dice.Of(kChecksums);
      return;
    case 16:
      query.hash_algorithm = "sha512";
      return;
    case 17:
      (dice.OneIn(2) ? query.created : query.updated).push_back({dice.Of(kComparisons), SomeInstant(dice)});
      return;
    default:
      query.properties.emplace_back(dice.Of(kNames), dice.OneIn(3) ? LongValue('x') : dice.Of(kNames));
  }
}

ImageQuery SomeQuery(Dice& dice, const CatalogModel& model) {
  ImageQuery query;
  query.viewer.admin = dice.OneIn(4);
  if (!dice.OneIn(5)) query.viewer.project = dice.Of(kProjects);
  if (dice.OneIn(2)) query.member_status = dice.OneIn(3) ? std::nullopt : std::optional(dice.Of(kMemberStatuses));
  for (std::uint64_t count = dice.Below(4); count > 0; --count) AddSomeFilter(dice, model, query);
  for (std::uint64_t count = dice.Below(4); count > 0; --count) query.sort.push_back({dice.Of(kSorts), dice.OneIn(2)});
  query.limit = static_cast<std::uint32_t>(1 + dice.Below(40));
  return query;
}

// Enough to find the query again.
std::string Describe(const ImageQuery& query, int number) {
  std::string text = fmt::format("query {}: admin {}, project {}, limit {}, sort", number, query.viewer.admin,
                                 query.viewer.project.value_or("-"), query.limit);
  for (const SortKey& key : query.sort)
    text += fmt::format(" {}{}", static_cast<int>(key.key), key.ascending ? "+" : "-");
  return text;
}

class ListingTest : public CatalogTest {
 protected:
  void Fill(Dice& dice, int images) {
    for (int at = 0; at < images; ++at) {
      model_.images.push_back(Insert(SomeImage(dice)));
      const ImageRecord& image = model_.images.back();
      for (const std::string& project : kProjects) {
        if (image.status == Status::kDeleted || !dice.OneIn(3)) continue;
        model_.members.push_back({image.id, project, dice.Of(kMemberStatuses), image.created, image.created});
        ASSERT_TRUE(catalog_->AddMember(model_.members.back()).ok());
      }
    }
  }
  // Page by page to the end.
  std::vector<std::string> Pages(ImageQuery query) {
    std::vector<std::string> ids;
    for (;;) {
      const auto page = catalog_->List(query);
      if (!page.ok()) {
        ADD_FAILURE() << page.error().Describe();
        return ids;
      }
      EXPECT_LE(page.value().size(), query.limit);
      for (const ImageRecord& image : page.value()) ids.push_back(image.id);
      if (page.value().size() < query.limit) return ids;
      query.marker = page.value().back().id;
    }
  }

  CatalogModel model_;
};

TEST_F(ListingTest, EveryFilterAndSortAnswersAsTheModel) {
  constexpr std::uint64_t kSeed = 20260713;
  Dice dice(kSeed);
  Fill(dice, 150);
  std::size_t found = 0;
  int with_answers = 0;
  constexpr int kQueries = 400;
  for (int number = 0; number < kQueries; ++number) {
    const ImageQuery query = SomeQuery(dice, model_);
    const std::vector<std::string> wanted = model_.Ids(query);
    ASSERT_EQ(Pages(query), wanted) << Describe(query, number);
    found += wanted.size();
    with_answers += wanted.empty() ? 0 : 1;
  }
  // The die is not so strict that nothing is left to compare.
  EXPECT_GT(with_answers, kQueries / 3);
  EXPECT_GT(found, 2000U);
}

// One at a time, so that none hides behind another.
TEST_F(ListingTest, EveryFilterAloneLetsSomePass) {
  Dice dice(7);
  Fill(dice, 150);
  for (int number = 0; number < 200; ++number) {
    ImageQuery query;
    query.viewer.admin = true;
    AddSomeFilter(dice, model_, query);
    ASSERT_EQ(Pages(query), model_.Ids(query)) << Describe(query, number);
  }
}

TEST_F(ListingTest, AMarkerMustBeVisible) {
  ImageRecord hidden_from_us = Image("theirs", "there");
  hidden_from_us.visibility = Visibility::kPrivate;
  const std::string theirs = Insert(hidden_from_us).id;
  const ImageRecord ours = Insert(Image("ours"));
  ImageQuery query = As("here");
  for (const std::string& marker : {theirs, std::string("nonsense")}) {
    query.marker = marker;
    EXPECT_EQ(catalog_->List(query).error().kind(), ErrorKind::kNotFound);
  }
  query.marker = ours.id;
  EXPECT_TRUE(catalog_->List(query).value().empty());
  ASSERT_TRUE(catalog_
                  ->Change(ours.id,
                           [](ImageRecord& image) -> Result<> {
                             image.status = Status::kDeleted;
                             image.deleted = Now();
                             return Done{};
                           })
                  .ok());
  EXPECT_EQ(catalog_->List(query).error().kind(), ErrorKind::kNotFound);
}

std::string Numbered(std::size_t number) { return fmt::format("number {}", number); }

// Each of the three selections of a project has all of them.
TEST_F(ListingTest, TagsAndPropertiesAreCountedOnceAndHaveALimit) {
  ImageRecord image = Image("has them all");
  image.visibility = Visibility::kShared;
  for (std::size_t at = 0; at < 2 * kMostConditions; ++at) {
    image.tags.insert(Numbered(at));
    image.properties[Numbered(at)] = "value";
  }
  Insert(image);
  image.id = NewIdentifier();
  image.name = "has no number 7";
  image.created += std::chrono::seconds(1);
  image.tags.erase(Numbered(7));
  image.properties[Numbered(7)] = "other";
  Insert(image);
  const struct {
    std::size_t tags, properties, times;
    bool twice, found;
  } kRows[] = {{20, 0, 0, false, true},  {20, 0, 0, true, true},  {21, 0, 0, false, false},  {0, 20, 0, true, true},
               {0, 21, 0, false, false}, {10, 10, 0, true, true}, {9, 9, 2, false, true},    {10, 10, 1, false, false},
               {0, 0, 21, false, false}, {1, 1, 0, false, true},  {4000, 0, 0, false, false}};
  for (const auto& row : kRows) {
    ImageQuery query = As("here");
    for (int time = 0; time < (row.twice ? 2 : 1); ++time) {
      for (std::size_t at = 0; at < row.tags; ++at) query.tags.push_back(Numbered(at));
      for (std::size_t at = 0; at < row.properties; ++at) query.properties.emplace_back(Numbered(at), "value");
    }
    query.created.assign(row.times, {Comparison::kNotEqual, Instant()});
    const auto listed = catalog_->List(query);
    ASSERT_EQ(listed.ok(), row.found) << row.tags << " " << row.properties << " " << row.times;
    if (!row.found) {
      EXPECT_EQ(listed.error().kind(), ErrorKind::kInvalid) << listed.error().Describe();
    } else {
      EXPECT_EQ(listed.value().size(), std::max(row.tags, row.properties) > 7 ? 1U : 2U);
      EXPECT_EQ(listed.value().back().name, "has them all");
    }
  }
  ImageQuery contradiction = As("here");
  contradiction.properties = {{Numbered(1), "value"}, {Numbered(1), "other"}};
  EXPECT_TRUE(catalog_->List(contradiction).value().empty());
}

TEST_F(ListingTest, WhatNoDatabaseTakesIsInvalid) {
  const std::string not_utf8 = "\xFF";
  const std::string zero("a\0b", 3);
  for (const std::string& text : {not_utf8, zero, std::string("\xED\xA0\x80"), std::string("\xC0\xAF")}) {
    ImageQuery query = As("here");
    query.names = {text};
    EXPECT_EQ(catalog_->List(query).error().kind(), ErrorKind::kInvalid);
    ImageRecord image = Image("x");
    image.properties = {{"p", text}};
    EXPECT_EQ(catalog_->Insert(image).error().kind(), ErrorKind::kInvalid);
  }
  ImageQuery many = As("here");
  many.names.assign(501, "x");
  EXPECT_EQ(catalog_->List(many).error().kind(), ErrorKind::kInvalid);
  // A text that a column has no room for, in letters, not in bytes.
  ImageRecord image = Image("");
  for (int letters = 0; letters < 255; ++letters) *image.name += "\xC3\xA4";
  image.tags = {*image.name};
  EXPECT_EQ(catalog_->Find(Insert(image).id).value().name, image.name);
  image.id = NewIdentifier();
  *image.name += "a";
  EXPECT_EQ(catalog_->Insert(image).error().kind(), ErrorKind::kInvalid);
  image.name = "";
  image.tags = {std::string(256, 'a')};
  EXPECT_EQ(catalog_->Insert(image).error().kind(), ErrorKind::kInvalid);
  image.tags.clear();
  image.properties = {{std::string(256, 'a'), ""}};
  EXPECT_EQ(catalog_->Insert(image).error().kind(), ErrorKind::kInvalid);
  image.properties.clear();
  const ImageRecord stored = Insert(image);
  EXPECT_EQ(
      catalog_->AddMember({stored.id, std::string(256, 'p'), MemberStatus::kPending, Now(), Now()}).error().kind(),
      ErrorKind::kInvalid);
}

}  // namespace
}  // namespace platter::registry
