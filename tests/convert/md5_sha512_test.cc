// MD5 and SHA-512 in one pass, beside the plain loops.
#include "convert/kernels/md5_sha512.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/guest.h"
#include "tests/support/noise.h"

namespace platter::kernels {
namespace {

using Bytes = std::vector<std::byte>;

struct Digests {
  Bytes md5;
  Bytes sha512;
  friend bool operator==(const Digests&, const Digests&) = default;
};

Digests ByReference(Message message) {
  Digests digests{Bytes(16), Bytes(64)};
  HashReference(LaneDigest::kMd5, std::span(&message, 1), digests.md5);
  HashReference(LaneDigest::kSha512, std::span(&message, 1), digests.sha512);
  return digests;
}

// `pieces` are taken one after the other; what is behind them, less than a block of SHA-512, at the end.
Digests InOnePass(Message message, std::span<const std::size_t> pieces) {
  MessageState md5 = StartMessage(LaneDigest::kMd5);
  MessageState sha512 = StartMessage(LaneDigest::kSha512);
  std::size_t at = 0;
  for (const std::size_t piece : pieces) {
    TakeMd5Sha512(message.subspan(at, piece), md5, sha512);
    at += piece;
  }
  const Message rest = message.subspan(at);
  const std::size_t whole = rest.size() - rest.size() % 64;
  const MessagePiece block{rest.first(whole), &md5};
  TakeInLanes(LaneDigest::kMd5, std::span(&block, 1));
  Digests digests{Bytes(16), Bytes(64)};
  EndMessage(LaneDigest::kMd5, md5, rest.subspan(whole), message.size(), digests.md5);
  EndMessage(LaneDigest::kSha512, sha512, rest, message.size(), digests.sha512);
  return digests;
}

// A page of memory between two that nobody may touch.
class GuardedPage {
 public:
  GuardedPage() : size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    void* pages = mmap(nullptr, 3 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(pages, MAP_FAILED);
    pages_ = static_cast<std::byte*>(pages);
    EXPECT_EQ(mprotect(pages_ + size_, size_, PROT_READ | PROT_WRITE), 0);
    std::ranges::copy(test::Noise(size_), pages_ + size_);
  }
  ~GuardedPage() { munmap(pages_, 3 * size_); }
  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  Message bytes() const noexcept { return {pages_ + size_, size_}; }

 private:
  const std::size_t size_;
  std::byte* pages_ = nullptr;
};

// For every instruction set that this CPU has: one pass with AVX-512, one digest after the other with what is below.
class Md5Sha512 : public testing::TestWithParam<std::int64_t> {
 protected:
  Md5Sha512() { hwy::SetSupportedTargetsForTest(GetParam()); }
  ~Md5Sha512() override { hwy::SetSupportedTargetsForTest(0); }
};

INSTANTIATE_TEST_SUITE_P(Targets, Md5Sha512, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& target) { return std::string(hwy::TargetName(target.param)); });

TEST_P(Md5Sha512, AgreesWithTheReferenceForEveryLength) {
  for (std::size_t length = 0; length <= 1500; ++length) {
    const Bytes noise = test::Noise(length + 64, length);
    // At every alignment.
    const Message message = std::span(noise).subspan(length % 64, length);
    const std::size_t whole = length - length % kMd5Sha512Block;
    ASSERT_EQ(InOnePass(message, std::span(&whole, 1)), ByReference(message)) << length;
  }
}

TEST_P(Md5Sha512, TakesAMessageInPieces) {
  test::Random random(1);
  for (std::uint64_t round = 0; round < 50; ++round) {
    const Bytes message = test::Noise(random.Below(300'000), round);
    std::vector<std::size_t> pieces;
    std::size_t left = message.size() / kMd5Sha512Block;
    while (left != 0) {
      const std::size_t piece = random.Below(std::min<std::size_t>(left, 700) + 1);
      pieces.push_back(piece * kMd5Sha512Block);
      left -= piece;
    }
    ASSERT_EQ(InOnePass(message, pieces), ByReference(message)) << round;
  }
}

TEST_P(Md5Sha512, CarriesThroughWordsOfOnes) {
  const Bytes ones(5 * kMd5Sha512Block, std::byte{0xff});
  EXPECT_EQ(InOnePass(ones, std::vector{ones.size()}), ByReference(ones));
}

TEST_P(Md5Sha512, ReadsNothingElse) {
  const GuardedPage page;
  for (std::size_t blocks = 0; blocks <= 4; ++blocks) {
    const std::size_t length = blocks * kMd5Sha512Block;
    for (const Message message : {page.bytes().first(length), page.bytes().last(length)}) {
      EXPECT_EQ(InOnePass(message, std::span(&length, 1)), ByReference(message)) << blocks;
    }
  }
}

TEST_P(Md5Sha512, IsWantedWithAvx512Alone) { EXPECT_EQ(HasMd5Sha512(), GetParam() == HWY_AVX3); }

}  // namespace
}  // namespace platter::kernels
