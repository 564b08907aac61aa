#include "convert/kernels/zero_scan.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <vector>

namespace platter::kernels {
namespace {

// Runs `body` once for every instruction set that this CPU has.
template <class Body>
void ForEachTarget(const Body& body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(FindNonZero, AgreesWithTheReferenceForEveryLengthAndPosition) {
  ForEachTarget([] {
    std::vector<std::byte> bytes(300);
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
      const auto data = std::span(bytes).first(length);
      ASSERT_EQ(FindNonZero(data), length);
      for (std::size_t at = 0; at < length; ++at) {
        bytes[at] = std::byte{0x80};
        ASSERT_EQ(FindNonZero(data), FindNonZeroReference(data)) << "length " << length << ", position " << at;
        bytes[at] = std::byte{0};
      }
    }
  });
}

TEST(FindNonZero, KnowsEveryAlignmentAndValue) {
  ForEachTarget([] {
    std::vector<std::byte> bytes(5000);
    for (std::size_t shift = 0; shift < 65; ++shift) {
      const auto data = std::span(bytes).subspan(shift, 4500);
      const std::size_t at = shift * 67;
      bytes[shift + at] = static_cast<std::byte>(1 + shift % 255);
      EXPECT_EQ(FindNonZero(data), at);
      bytes[shift + at] = std::byte{0};
      EXPECT_TRUE(IsZero(data));
    }
  });
}

TEST(FindNonZero, DoesNotLookBeyondTheData) {
  ForEachTarget([] {
    std::vector<std::byte> bytes(600, std::byte{1});
    for (std::size_t length = 0; length < 300; ++length) {
      std::fill_n(bytes.begin() + 100, length, std::byte{0});
      EXPECT_TRUE(IsZero(std::span(bytes).subspan(100, length)));
    }
  });
}

}  // namespace
}  // namespace platter::kernels
