#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "registry-core/model/status.h"

namespace platter::registry {
namespace {

// From each state, the states that may follow, in the order of kAllStatuses.
struct Row {
  std::string_view from;
  std::vector<std::string_view> to;
};
const Row kSquare[] = {
    {"queued", {"saving", "uploading", "importing", "active", "deleted"}},
    {"saving", {"queued", "active", "killed", "deleted"}},
    {"uploading", {"queued", "importing", "deleted"}},
    {"importing", {"queued", "active", "deleted"}},
    {"active", {"deactivated", "pending_delete", "deleted"}},
    {"deactivated", {"active", "deleted"}},
    {"killed", {"deleted"}},
    {"pending_delete", {"active", "deleted"}},
    {"deleted", {}},
};

TEST(Status, EveryMoveIsARowOrRefused) {
  ASSERT_EQ(std::size(kSquare), kAllStatuses.size());
  for (const Row& row : kSquare) {
    const auto from = FindStatus(row.from);
    ASSERT_TRUE(from.has_value()) << row.from;
    std::vector<std::string_view> allowed;
    for (const Status to : kAllStatuses) {
      if (MayMove(*from, to)) allowed.push_back(StatusName(to));
    }
    EXPECT_EQ(allowed, row.to) << row.from;
  }
}

TEST(Status, NamesGoBothWays) {
  for (const Status status : kAllStatuses) EXPECT_EQ(FindStatus(StatusName(status)), status);
  EXPECT_FALSE(FindStatus("Active").has_value());
  EXPECT_FALSE(FindStatus("").has_value());
}

}  // namespace
}  // namespace platter::registry
