#include "tools/platterd/api/image_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace platter::platterd {
namespace {

using registry::Comparison;
using registry::ImageQuery;
using registry::Sort;
using testing::ElementsAre;

ImageQuery Parsed(const QueryItems& items) {
  auto query = ParseImageQuery(items, {});
  EXPECT_TRUE(query.ok()) << (query.ok() ? "" : query.error().Describe());
  return query.ok() ? std::move(query).value() : ImageQuery{};
}

TEST(ImageQuery, NothingAskedIsTheNewestPage) {
  const ImageQuery query = Parsed({});
  EXPECT_EQ(query.limit, 25U);
  ASSERT_EQ(query.sort.size(), 1U);
  EXPECT_EQ(query.sort[0].key, Sort::kCreatedAt);
  EXPECT_FALSE(query.sort[0].ascending);
  EXPECT_EQ(query.member_status, registry::MemberStatus::kAccepted);
  EXPECT_FALSE(query.hidden);
}

TEST(ImageQuery, FiltersLandWhereTheyBelong) {
  const ImageQuery query = Parsed({{"name", "in:a,\"b,c\",d"},
                                   {"status", "active"},
                                   {"disk_format", "in:raw,qcow2"},
                                   {"container_format", "eq:bare"},
                                   {"id", "1"},
                                   {"owner", "p"},
                                   {"tag", " x86 "},
                                   {"tag", "64bit"},
                                   {"size_min", "1"},
                                   {"size_max", "10"},
                                   {"min_ram", "512"},
                                   {"min_disk", "2"},
                                   {"protected", "True"},
                                   {"os_hidden", "true"},
                                   {"visibility", "community"},
                                   {"member_status", "all"},
                                   {"checksum", "ab"},
                                   {"os_hash_value", "cd"},
                                   {"os_hash_algo", "sha512"},
                                   {"created_at", "gte:2026-11-23T06:20:10Z"},
                                   {"updated_at", "2026-11-23T06:20:10Z"},
                                   {"marker", "m"},
                                   {"limit", "7"},
                                   {"os_distro", "debian"}});
  EXPECT_THAT(query.names, ElementsAre("a", "b,c", "d"));
  EXPECT_THAT(query.statuses, ElementsAre("active"));
  EXPECT_THAT(query.disk_formats, ElementsAre("raw", "qcow2"));
  EXPECT_THAT(query.container_formats, ElementsAre("bare"));
  EXPECT_THAT(query.ids, ElementsAre("1"));
  EXPECT_THAT(query.owners, ElementsAre("p"));
  EXPECT_THAT(query.tags, ElementsAre("x86", "64bit"));
  EXPECT_EQ(query.size_min, 1U);
  EXPECT_EQ(query.size_max, 10U);
  EXPECT_EQ(query.min_ram, 512U);
  EXPECT_EQ(query.min_disk, 2U);
  EXPECT_EQ(query.is_protected, true);
  EXPECT_TRUE(query.hidden);
  EXPECT_EQ(query.visibility, registry::Visibility::kCommunity);
  EXPECT_FALSE(query.member_status.has_value());
  EXPECT_EQ(query.checksum, "ab");
  EXPECT_EQ(query.hash_value, "cd");
  EXPECT_EQ(query.hash_algorithm, "sha512");
  ASSERT_EQ(query.created.size(), 1U);
  EXPECT_EQ(query.created[0].comparison, Comparison::kGreaterOrEqual);
  ASSERT_EQ(query.updated.size(), 1U);
  EXPECT_EQ(query.updated[0].comparison, Comparison::kEqual);
  EXPECT_EQ(query.marker, "m");
  EXPECT_EQ(query.limit, 7U);
  ASSERT_EQ(query.properties.size(), 1U);
  EXPECT_EQ(query.properties[0].first, "os_distro");
}

TEST(ImageQuery, AnEmptyListMatchesNothing) {
  const ImageQuery query = Parsed({{"name", "in:"}});
  ASSERT_EQ(query.names.size(), 1U);
  EXPECT_FALSE(query.names[0].empty());
}

TEST(ImageQuery, SortsInBothSyntaxes) {
  const ImageQuery newer = Parsed({{"sort", "name:asc, size ,id:desc"}});
  ASSERT_EQ(newer.sort.size(), 3U);
  EXPECT_EQ(newer.sort[0].key, Sort::kName);
  EXPECT_TRUE(newer.sort[0].ascending);
  EXPECT_EQ(newer.sort[1].key, Sort::kSize);
  EXPECT_FALSE(newer.sort[1].ascending);
  const ImageQuery older = Parsed({{"sort_key", "name"}, {"sort_key", "size"}, {"sort_dir", "asc"}});
  ASSERT_EQ(older.sort.size(), 2U);
  EXPECT_TRUE(older.sort[0].ascending);
  EXPECT_TRUE(older.sort[1].ascending);
  const ImageQuery direction = Parsed({{"sort_dir", "asc"}});
  ASSERT_EQ(direction.sort.size(), 1U);
  EXPECT_EQ(direction.sort[0].key, Sort::kCreatedAt);
  EXPECT_TRUE(direction.sort[0].ascending);
}

TEST(ImageQuery, TheLimitIsCapped) {
  EXPECT_EQ(Parsed({{"limit", "5000"}}).limit, 1000U);
  EXPECT_EQ(Parsed({{"limit", "99999999999999999999999"}}).limit, 1000U);
  EXPECT_EQ(Parsed({{"limit", "0"}}).limit, 0U);
}

struct WrongRow {
  QueryItems items;
  const char* sentence;  // a part of it
};
const WrongRow kWrong[] = {
    {{{"limit", "-1"}}, "limit param must be positive"},
    {{{"limit", "x"}}, "limit param must be an integer"},
    {{{"limit", ""}}, "limit param must be an integer"},
    {{{"sort_key", "nope"}},
     "Invalid sort key: nope. It must be one of the following: name, status, container_format, disk_format, size, id, "
     "created_at, updated_at."},
    {{{"sort_dir", "up"}}, "Invalid sort direction: up"},
    {{{"sort", "name:up"}}, "Invalid sort direction: up"},
    {{{"sort", "name"}, {"sort_dir", "asc"}}, "Old and new sorting syntax cannot be combined"},
    {{{"sort_key", "name"}, {"sort_dir", "asc"}, {"sort_dir", "desc"}}, "Number of sort dirs does not match"},
    {{{"visibility", "secret"}}, "Invalid visibility value: secret"},
    {{{"member_status", "maybe"}}, "Invalid status: maybe"},
    {{{"created_at", "around:2026-11-23"}}, "the operator 'around' is not supported"},
    {{{"updated_at", "gt:yesterday"}}, "'yesterday' is no time"},
    {{{"size_min", "-5"}}, "size_min must be a non-negative integer"},
    {{{"protected", "perhaps"}}, "Invalid value 'perhaps'"},
    {{{"name", "in:\"a"}}, "the quote is not closed"},
    {{{"changes-since", "2026-11-23"}}, "no longer available"},
};

TEST(ImageQuery, WhatIsWrongIsNamed) {
  for (const WrongRow& row : kWrong) {
    const auto query = ParseImageQuery(row.items, {});
    ASSERT_FALSE(query.ok()) << row.sentence;
    EXPECT_EQ(query.error().kind(), ErrorKind::kInvalid);
    EXPECT_THAT(query.error().what(), testing::HasSubstr(row.sentence));
  }
}

TEST(ImageQuery, PagesKeepTheQuestion) {
  EXPECT_EQ(PageQuery({}, ""), "");
  EXPECT_EQ(PageQuery({{"limit", "2"}}, ""), "?limit=2");
  EXPECT_EQ(PageQuery({{"limit", "2"}, {"marker", "old"}, {"name", "a b&c"}}, "new"),
            "?limit=2&name=a+b%26c&marker=new");
}

}  // namespace
}  // namespace platter::platterd
