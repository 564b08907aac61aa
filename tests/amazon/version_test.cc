#include <gtest/gtest.h>

#include "convert/amazon/root.h"
#include "tests/support/command.h"

namespace platter::amazon {
namespace {

TEST(Versions, AreComparedAsDpkgComparesThem) {
  constexpr const char* kVersions[] = {"6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-010-amd64", "6.1.0",   "6.1.0~rc1",
                                       "6.10",          "5.10.0-28",      "6.1.0-10-cloud",  "6.1.0-10"};
  for (const char* a : kVersions) {
    for (const char* b : kVersions) {
      const int ours = CompareVersions(a, b);
      const char* relation = ours < 0 ? "lt" : ours > 0 ? "gt" : "eq";
      // A revision of its own, so that dpkg takes no part of the version for one.
      const auto theirs =
          test::RunCommand({"dpkg", "--compare-versions", std::string(a) + "-1", relation, std::string(b) + "-1"});
      EXPECT_EQ(theirs.exit_code, 0) << a << " " << relation << " " << b;
    }
  }
}

}  // namespace
}  // namespace platter::amazon
