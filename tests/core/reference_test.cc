#include "formats/core/reference.h"

#include <gtest/gtest.h>

namespace platter {
namespace {

struct ReferenceCase {
  const char* reference;
  const char* referrer;
  const char* path;
};

class ResolvesReference : public testing::TestWithParam<ReferenceCase> {};

TEST_P(ResolvesReference, AsQemuDoes) {
  const auto path = ResolveReference(GetParam().reference, GetParam().referrer);
  ASSERT_TRUE(path.ok()) << path.error().Describe();
  EXPECT_EQ(path.value(), GetParam().path);
}

INSTANTIATE_TEST_SUITE_P(All, ResolvesReference,
                         testing::Values(ReferenceCase{"base.raw", "disk.qcow2", "base.raw"},
                                         ReferenceCase{"base.raw", "/images/disk.qcow2", "/images/base.raw"},
                                         ReferenceCase{"../base.raw", "images/disk.qcow2", "images/../base.raw"},
                                         ReferenceCase{"/base.raw", "/images/disk.qcow2", "/base.raw"},
                                         ReferenceCase{"file:base.raw", "/images/disk.qcow2", "base.raw"},
                                         ReferenceCase{"./a:b", "/images/disk.qcow2", "/images/./a:b"},
                                         ReferenceCase{"sub/a:b", "disk.qcow2", "sub/a:b"}));

class RefusesReference : public testing::TestWithParam<const char*> {};

TEST_P(RefusesReference, ThatIsNoLocalFile) {
  const auto path = ResolveReference(GetParam(), "disk.qcow2");
  ASSERT_FALSE(path.ok());
}

INSTANTIATE_TEST_SUITE_P(All, RefusesReference,
                         testing::Values("", "json:{\"driver\":\"null-co\"}", "nbd://host/disk", "fat:/etc",
                                         "ssh://host/disk"));

TEST(DenyGate, OpensNothing) {
  DenyGate gate;
  const auto file = gate.Open({Reference::Role::kBacking, "/etc/passwd", ""}, "disk.qcow2");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().kind(), ErrorKind::kDenied);
}

}  // namespace
}  // namespace platter
