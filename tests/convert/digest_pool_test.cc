// Many streams on one pool: each gets the digest that OpenSSL gives its bytes, whatever the others do.
#include "convert/hash/digest_pool.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/guest.h"

namespace platter {
namespace {

using Bytes = std::vector<std::byte>;

Bytes Noise(std::uint64_t seed, std::size_t size) {
  test::Random random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Next());
  return bytes;
}

std::vector<DigestAlgorithm> EveryAlgorithm() {
  std::vector<DigestAlgorithm> all;
  for (const DigestTraits& traits : AllDigests()) all.push_back(traits.algorithm);
  return all;
}

std::vector<DigestValue> Alone(std::span<const DigestAlgorithm> algorithms, std::span<const std::byte> message) {
  std::vector<DigestValue> values;
  for (const DigestAlgorithm algorithm : algorithms) {
    auto digest = Digest::Make(algorithm);
    values.push_back(digest.value().Of(message).value());
  }
  return values;
}

// In pieces of any size.
std::vector<DigestValue> Pooled(DigestPool& pool, std::span<const DigestAlgorithm> algorithms,
                                std::span<const std::byte> message, std::uint64_t seed) {
  test::Random random(seed);
  auto stream = pool.Open(algorithms);
  while (!message.empty()) {
    const std::size_t piece = std::min<std::size_t>(1 + random.Next() % 400'000, message.size());
    stream.value()->Update(message.first(piece));
    message = message.subspan(piece);
  }
  auto values = stream.value()->Finish();
  EXPECT_TRUE(values.ok());
  return std::move(values).value();
}

constexpr std::size_t kSlot = std::size_t{64} << 10;

TEST(DigestPool, OneStreamOfAnyLength) {
  const auto algorithms = EveryAlgorithm();
  const auto pool = DigestPool::Make().value();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{55}, std::size_t{56}, std::size_t{64}, std::size_t{111},
        std::size_t{112}, std::size_t{128}, kSlot - 1, kSlot, kSlot + 1, 5 * kSlot, 7 * kSlot + 12345}) {
    SCOPED_TRACE(size);
    const Bytes message = Noise(size, size);
    EXPECT_EQ(Pooled(*pool, algorithms, message, size), Alone(algorithms, message));
  }
}

struct Crowd {
  unsigned threads;
  std::size_t streams;
};
class Crowded : public testing::TestWithParam<Crowd> {};

TEST_P(Crowded, EachGetsItsOwnDigest) {
  const auto algorithms = EveryAlgorithm();
  const auto pool = DigestPool::Make(GetParam().threads).value();
  std::vector<Bytes> messages;
  for (std::size_t i = 0; i < GetParam().streams; ++i) messages.push_back(Noise(i, 100'000 * (i % 12) + i));
  std::vector<std::vector<DigestValue>> values(messages.size());
  std::vector<std::thread> feeders;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    feeders.emplace_back([&, i] { values[i] = Pooled(*pool, algorithms, messages[i], i); });
  }
  for (std::thread& feeder : feeders) feeder.join();
  for (std::size_t i = 0; i < messages.size(); ++i) EXPECT_EQ(values[i], Alone(algorithms, messages[i])) << i;
}

// What a registry records: MD5 and SHA-512 of many uploads, with every instruction set that this CPU has.
TEST(DigestPool, BothDigestsOfManyStreams) {
  const std::vector algorithms = {DigestAlgorithm::kSha512, DigestAlgorithm::kMd5};
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    for (const std::size_t count : {1, 3, 12, 20}) {
      const auto pool = DigestPool::Make(2).value();
      std::vector<std::vector<DigestValue>> values(count);
      std::vector<std::thread> feeders;
      const auto message_of = [](std::size_t i) { return Noise(i, 300'000 + 64 * i + i % 3); };
      for (std::size_t i = 0; i < count; ++i) {
        feeders.emplace_back([&, i] { values[i] = Pooled(*pool, algorithms, message_of(i), i); });
      }
      for (std::thread& feeder : feeders) feeder.join();
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(values[i], Alone(algorithms, message_of(i))) << i;
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

INSTANTIATE_TEST_SUITE_P(Pools, Crowded, testing::Values(Crowd{1, 2}, Crowd{1, 8}, Crowd{1, 25}, Crowd{3, 25}),
                         [](const auto& crowd) {
                           return std::to_string(crowd.param.streams) + "On" + std::to_string(crowd.param.threads);
                         });

TEST(DigestPool, ZerosCountAsBytes) {
  const std::vector algorithms = {DigestAlgorithm::kMd5, DigestAlgorithm::kSha512, DigestAlgorithm::kBlake2b};
  const auto pool = DigestPool::Make().value();
  const auto stream = pool->Open(algorithms).value();
  Bytes message = Noise(1, 1000);
  stream->Update(message);
  for (const std::size_t zeros : {std::size_t{1}, 3 * kSlot + 17, kSlot}) {
    stream->UpdateZeros(zeros);
    message.resize(message.size() + zeros);
  }
  EXPECT_EQ(stream->Finish().value(), Alone(algorithms, message));
}

TEST(DigestPool, WhatIsWrittenIntoTheBufferCounts) {
  const std::vector algorithms = {DigestAlgorithm::kSha256};
  const auto pool = DigestPool::Make().value();
  const auto stream = pool->Open(algorithms).value();
  Bytes message;
  for (int i = 0; i < 40; ++i) {
    const auto room = stream->Buffer();
    ASSERT_FALSE(room.empty());
    const Bytes piece = Noise(static_cast<std::uint64_t>(i), std::min<std::size_t>(room.size(), 50'000));
    std::ranges::copy(piece, room.begin());
    stream->Push(piece.size());
    message.insert(message.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(stream->Finish().value(), Alone(algorithms, message));
}

TEST(DigestPool, StreamsThatLeaveDisturbNobody) {
  const auto algorithms = EveryAlgorithm();
  const auto pool = DigestPool::Make().value();
  const Bytes message = Noise(3, 6 * kSlot);
  std::atomic<bool> stop = false;
  std::thread leaver([&] {
    while (!stop) pool->Open(algorithms).value()->Update(message);
  });
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(Pooled(*pool, algorithms, message, i), Alone(algorithms, message));
  }
  stop = true;
  leaver.join();
}

// Others keep the pool busy without end; how much of theirs is hashed while one short stream waits for its digest says
// whether it has to wait for more than its turn.
TEST(DigestPool, AShortStreamWaitsForItsTurnAlone) {
  constexpr std::size_t kOthers = 24;
  const std::vector algorithms = {DigestAlgorithm::kMd5, DigestAlgorithm::kSha512};
  const auto pool = DigestPool::Make().value();
  const Bytes piece = Noise(5, kSlot);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> theirs = 0;  // pieces
  std::vector<std::thread> others;
  for (std::size_t i = 0; i < kOthers; ++i) {
    others.emplace_back([&] {
      const auto stream = pool->Open(algorithms).value();
      while (!stop) {
        stream->Update(piece);
        ++theirs;
      }
    });
  }
  while (theirs < 10 * kOthers) std::this_thread::yield();
  // The quickest of some tries: the host may let any thread wait.
  std::uint64_t fewest = ~std::uint64_t{0};
  for (int attempt = 0; attempt < 30; ++attempt) {
    const auto stream = pool->Open(algorithms).value();
    const std::uint64_t before = theirs;
    stream->Update(std::span(piece).first(1000));
    EXPECT_EQ(stream->Finish().value(), Alone(algorithms, std::span(piece).first(1000)));
    fewest = std::min(fewest, theirs - before);
  }
  stop = true;
  for (std::thread& other : others) other.join();
  // One round for each algorithm, and what was queued before it.
  EXPECT_LE(fewest, 6 * kOthers);
}

// Whoever pushes faster than the pool hashes has to wait, and what it may push meanwhile is bounded.
TEST(DigestPool, HoldsEightPiecesOfAStream) {
  const std::vector algorithms = {DigestAlgorithm::kSha3With512};
  const auto pool = DigestPool::Make().value();
  std::vector<std::unique_ptr<DigestPool::Stream>> streams;
  for (int i = 0; i < 8; ++i) streams.push_back(pool->Open(algorithms).value());
  std::set<const std::byte*> buffers;
  Digest alone = Digest::Make(algorithms.front()).value();
  const Bytes piece = Noise(6, kSlot);
  for (int round = 0; round < 40; ++round) {
    for (const auto& stream : streams) {
      const auto room = stream->Buffer();
      ASSERT_EQ(room.size(), kSlot);
      buffers.insert(room.data());
      std::ranges::copy(piece, room.begin());
      stream->Push(kSlot);
    }
    alone.Update(piece);
  }
  EXPECT_EQ(buffers.size(), 8 * streams.size());
  const DigestValue wanted = alone.Finish().value();
  for (const auto& stream : streams) EXPECT_EQ(stream->Finish().value().front(), wanted);
}

TEST(DigestPool, TheLastStreamEndsThePool) {
  auto pool = DigestPool::Make().value();
  const std::vector algorithms = {DigestAlgorithm::kMd5};
  const auto stream = pool->Open(algorithms).value();
  pool.reset();
  const Bytes message = Noise(4, 2 * kSlot + 1);
  stream->Update(message);
  EXPECT_EQ(stream->Finish().value(), Alone(algorithms, message));
}

}  // namespace
}  // namespace platter
