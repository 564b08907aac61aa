#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "registry-core/model/image_record.h"

namespace platter::registry {
namespace {

struct InstantRow {
  std::string_view text;
  std::string_view read;  // as FormatInstant has it; "" for a text that is no instant
};
const InstantRow kInstants[] = {
    {"2026-11-23T06:20:10Z", "2026-11-23T06:20:10Z"},
    {"2026-11-23T06:20:10", "2026-11-23T06:20:10Z"},
    {"2026-11-23 06:20:10", "2026-11-23T06:20:10Z"},
    {"2026-11-23", "2026-11-23T00:00:00Z"},
    {"2026-11-23T06:20:10.999999Z", "2026-11-23T06:20:10Z"},
    {"2026-11-23T06:20:10+02:00", "2026-11-23T04:20:10Z"},
    {"2026-11-23T06:20:10-0130", "2026-11-23T07:50:10Z"},
    {"2026-11-23T23:20:10-01", "2026-11-24T00:20:10Z"},
    {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
    {"2026-02-29T00:00:00Z", ""},
    {"2026-13-01T00:00:00Z", ""},
    {"2026-11-23T24:00:00Z", ""},
    {"2026-11-23T06:20:10.Z", ""},
    {"2026-11-23T06:20:10+2:00", ""},
    {"2026-11-23T06:20:10Zx", ""},
    {"2026-11-23T06:20", ""},
    {"yesterday", ""},
    {"", ""},
};

TEST(Model, InstantsAreReadAndWritten) {
  for (const InstantRow& row : kInstants) {
    const auto instant = ParseInstant(row.text);
    EXPECT_EQ(instant ? FormatInstant(*instant) : "", row.read) << row.text;
  }
}

TEST(Model, AFractionKeepsItsMicroseconds) {
  const auto whole = ParseInstant("2026-11-23T06:20:10Z");
  const auto part = ParseInstant("2026-11-23T06:20:10.000250Z");
  ASSERT_TRUE(whole && part);
  EXPECT_EQ((*part - *whole).count(), 250);
}

TEST(Model, IdentifiersAreNewAndWellFormed) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewIdentifier();
    EXPECT_TRUE(IsIdentifier(id)) << id;
    EXPECT_EQ(id[14], '4') << id;
    EXPECT_NE(std::string_view("89ab").find(id[19]), std::string_view::npos) << id;
    EXPECT_TRUE(seen.insert(id).second) << id;
  }
  for (const std::string_view text :
       {"", "63886998-6d3e-4da9-a8e6-1e887205f46", "63886998-6d3e-4da9-a8e6-1e887205f469a",
        "63886998x6d3e-4da9-a8e6-1e887205f469", "63886998-6d3e-4da9-a8e6-1e887205f46g"}) {
    EXPECT_FALSE(IsIdentifier(text)) << text;
  }
}

}  // namespace
}  // namespace platter::registry
