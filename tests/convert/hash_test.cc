// Digests, sets of them, and the digests of files and guest disks, against what others say.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "convert/hash/block_digester.h"
#include "convert/hash/block_hash.h"
#include "convert/hash/digest_set.h"
#include "convert/hash/guest_digest.h"
#include "tests/convert/disks.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"

namespace platter {
namespace {

using test::Layout;
using test::LayoutImage;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr BlockStatus kData = BlockStatus::kData;
constexpr BlockStatus kZero = BlockStatus::kZero;
constexpr BlockStatus kNone = BlockStatus::kUnallocated;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> RandomBytes(std::uint64_t seed, std::size_t size) {
  test::Random random(seed);
  std::vector<std::byte> bytes(size + 8);
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t value = random.Next();
    std::memcpy(bytes.data() + at, &value, 8);
  }
  bytes.resize(size);
  return bytes;
}

std::string HexOf(DigestAlgorithm algorithm, std::span<const std::byte> message) {
  auto digest = Digest::Make(algorithm);
  if (!digest.ok()) return digest.error().Describe();
  const auto value = digest.value().Of(message);
  return value.ok() ? value.value().Hex() : value.error().Describe();
}

struct Vector {
  const char* name;
  const char* message;
  const char* digest;
};

// RFC 1321, FIPS 180-4, FIPS 202, RFC 7693, RFC 3720; XXH3 from the project's own tool.
constexpr Vector kVectors[] = {
    {"md5", "", "d41d8cd98f00b204e9800998ecf8427e"},
    {"md5", "abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"sha224", "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
    {"sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"sha384", "abc",
     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
    {"sha512", "abc",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2"
     "a"
     "9ac94fa54ca49f"},
    {"blake2b", "abc",
     "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab"
     "9"
     "2386edd4009923"},
    {"blake2s", "abc", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"},
    {"sha3-256", "abc", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
    {"sha3-512", "abc",
     "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56"
     "5"
     "92f8274eec53f0"},
    {"crc32c", "123456789", "e3069283"},
    {"crc32c", "", "00000000"},
    {"xxh3", "", "2d06800538d394c2"},
};

TEST(Digest, GivesThePublishedValues) {
  for (const Vector& vector : kVectors) {
    const auto algorithm = FindDigest(vector.name);
    ASSERT_TRUE(algorithm) << vector.name;
    EXPECT_EQ(HexOf(*algorithm, BytesOf(vector.message)), vector.digest) << vector.name;
  }
}

TEST(Digest, IsTheSameForAnyPieces) {
  const auto bytes = RandomBytes(1, 20000);
  test::Random random(2);
  for (const DigestTraits& traits : AllDigests()) {
    auto digest = Digest::Make(traits.algorithm);
    ASSERT_TRUE(digest.ok());
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = std::min<std::size_t>(random.Below(700), bytes.size() - at);
      digest.value().Update(std::span(bytes).subspan(at, piece));
      at += piece;
    }
    const auto value = digest.value().Finish();
    ASSERT_TRUE(value.ok());
    EXPECT_EQ(value.value().size, traits.size);
    EXPECT_EQ(value.value().Hex(), HexOf(traits.algorithm, bytes)) << traits.name;
  }
}

TEST(Digest, NamesAreFoundHoweverTheyAreWritten) {
  EXPECT_EQ(FindDigest("SHA256"), DigestAlgorithm::kSha256);
  EXPECT_EQ(FindDigest("SHA2-512"), DigestAlgorithm::kSha512);
  EXPECT_EQ(FindDigest("BLAKE2b"), DigestAlgorithm::kBlake2b);
  EXPECT_EQ(FindDigest("BLAKE2S256"), DigestAlgorithm::kBlake2s);
  EXPECT_EQ(FindDigest(""), std::nullopt);
  EXPECT_EQ(FindDigest("sha25"), std::nullopt);
  for (const DigestTraits& traits : AllDigests()) {
    EXPECT_EQ(FindDigest(traits.name), traits.algorithm);
    EXPECT_EQ(&TraitsOf(traits.algorithm), &traits);
  }
}

TEST(Digest, ListsAreTakenOrRefusedByName) {
  const auto list = ParseDigestList("md5,sha512");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list.value(), (std::vector{DigestAlgorithm::kMd5, DigestAlgorithm::kSha512}));
  for (const char* wrong : {"", "md5,", ",md5", "md6", "md5,sha256,md5", "sha256,SHA2-256"}) {
    const auto refused = ParseDigestList(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalid);
  }
}

std::vector<DigestAlgorithm> EveryAlgorithm() {
  std::vector<DigestAlgorithm> all;
  for (const DigestTraits& traits : AllDigests()) all.push_back(traits.algorithm);
  return all;
}

TEST(DigestSet, AgreesWithTheAlgorithmsAlone) {
  const auto bytes = RandomBytes(3, 3 * kMiB + 17);
  std::vector<std::byte> whole(bytes);
  whole.resize(whole.size() + 300000);
  whole.insert(whole.end(), bytes.begin(), bytes.begin() + 100);
  for (const auto& algorithms :
       {EveryAlgorithm(), {DigestAlgorithm::kMd5, DigestAlgorithm::kSha512}, std::vector{DigestAlgorithm::kSha256}}) {
    for (const bool in_background : {false, true}) {
      auto set = DigestSet::Make(algorithms, in_background);
      ASSERT_TRUE(set.ok());
      set.value()->Update(std::span(bytes).first(kMiB + 1));
      for (std::size_t at = kMiB + 1; at < bytes.size();) {
        const auto room = set.value()->Buffer();
        const std::size_t part = std::min(room.size() - 1, bytes.size() - at);
        std::memcpy(room.data(), bytes.data() + at, part);
        set.value()->Push(part);
        at += part;
      }
      set.value()->UpdateZeros(300000);
      set.value()->Update(std::span(bytes).first(100));
      const auto values = set.value()->Finish();
      ASSERT_TRUE(values.ok());
      ASSERT_EQ(values.value().size(), algorithms.size());
      for (std::size_t i = 0; i < algorithms.size(); ++i) {
        EXPECT_EQ(values.value()[i].Hex(), HexOf(algorithms[i], whole)) << TraitsOf(algorithms[i]).name;
      }
    }
  }
}

TEST(DigestSet, MayBeLeftUnfinished) {
  const auto bytes = RandomBytes(4, kMiB);
  auto set = DigestSet::Make(std::vector{DigestAlgorithm::kMd5, DigestAlgorithm::kSha1});
  ASSERT_TRUE(set.ok());
  set.value()->UpdateZeros(kMiB);
  for (int i = 0; i < 20; ++i) set.value()->Update(bytes);
}

// The construction as the contract writes it, block by block.
std::string BlockHashByTheBook(std::span<const std::byte> disk, std::uint64_t block_size) {
  test::Sha256 outer;
  for (std::size_t at = 0; at < disk.size(); at += block_size) {
    const std::string hex = test::Sha256OfBytes(disk.subspan(at, std::min<std::size_t>(block_size, disk.size() - at)));
    std::vector<std::byte> digest;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      digest.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    outer.Add(digest);
  }
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(std::uint64_t{disk.size()} >> 8 * i);
  outer.Add(length);
  return outer.Hex();
}

std::string BlockHashOf(const Chain& chain, std::uint64_t block_size, unsigned workers) {
  HashOptions options;
  options.workers = workers;
  const auto values = BlockHashes(chain, block_size, options);
  return values.ok() ? values.value().front().Hex() : values.error().Describe();
}

class Disks : public testing::TestWithParam<std::vector<Layout>> {};

TEST_P(Disks, HaveTheDigestsOfTheirContent) {
  const auto image = std::make_shared<LayoutImage>(GetParam());
  const Chain chain = test::OneLayer(image);
  std::vector<std::byte> content(chain.virtual_size());
  ASSERT_TRUE(chain.ReadAt(0, content).ok());
  for (const std::uint64_t block_size : {512 * std::uint64_t{1}, 4 * kKiB, 64 * kKiB, 2 * kMiB, 16 * kMiB}) {
    const std::string expected = BlockHashByTheBook(content, block_size);
    for (const unsigned workers : {1U, 3U}) EXPECT_EQ(BlockHashOf(chain, block_size, workers), expected) << block_size;
  }
  HashOptions options;
  options.algorithms = {DigestAlgorithm::kMd5, DigestAlgorithm::kSha256};
  const auto guest = GuestDigests(chain, options);
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest.value()[0].Hex(), HexOf(DigestAlgorithm::kMd5, content));
  EXPECT_EQ(guest.value()[1].Hex(), HexOf(DigestAlgorithm::kSha256, content));
}

INSTANTIATE_TEST_SUITE_P(
    All, Disks,
    testing::Values(std::vector<Layout>{}, std::vector<Layout>{{1, kData, 'A'}}, std::vector<Layout>{{511, kNone}},
                    std::vector<Layout>{{64 * kKiB - 1, kData, 'A'}}, std::vector<Layout>{{64 * kKiB, kZero}},
                    std::vector<Layout>{{64 * kKiB + 1, kData, 'B'}}, std::vector<Layout>{{3 * kMiB + 5, kData, '\0'}},
                    std::vector<Layout>{{5 * kMiB, kNone}, {1, kData, 'C'}, {2 * kMiB + 77, kZero}},
                    std::vector<Layout>{{100, kData, 'D'}, {300 * kKiB, kZero}, {100, kData, '\0'}, {kMiB, kNone}},
                    std::vector<Layout>{
                        {kMiB, kData, 'A'}, {4 * kMiB, kNone}, {kMiB + 4096, kData, '\0'}, {700 * kKiB, kData, 'F'}}));

TEST(HashBlocks, IsTheSameInLanesAndOutside) {
  const auto bytes = RandomBytes(6, 40 * 4096 + 100);
  for (const DigestTraits& traits : AllDigests()) {
    auto digest = Digest::Make(traits.algorithm);
    ASSERT_TRUE(digest.ok());
    for (const std::size_t count : {0, 1, 5, 16, 40}) {
      std::vector<hash::Block> blocks;
      for (std::size_t i = 0; i < count; ++i) blocks.push_back(std::span(bytes).subspan(i * 4096, 4096));
      blocks.push_back(std::span(bytes).last(100));
      std::vector<std::byte> alone;
      ASSERT_TRUE(hash::HashBlocks(digest.value(), 0, blocks, alone).ok());
      EXPECT_EQ(alone.size(), blocks.size() * traits.size);
      for (const std::size_t fewest : {1, 7, 16}) {
        std::vector<std::byte> in_lanes;
        ASSERT_TRUE(hash::HashBlocks(digest.value(), fewest, blocks, in_lanes).ok());
        EXPECT_EQ(in_lanes, alone) << traits.name;
      }
    }
    EXPECT_LE(hash::FewestBlocksForLanes(digest.value()), 16U);
    EXPECT_EQ(digest.value().Finish().value().Hex(), HexOf(traits.algorithm, {}));
  }
}

TEST(BlockHashes, GivesTheCheckValue) {
  std::vector<std::byte> disk(kMiB);
  std::memcpy(disk.data(), "hello", 5);
  const char* expected = "f2c31c90ef3cde9ac15747869bc57a8c3d47820a7596a852d41c2c1dcdff2952";
  EXPECT_EQ(BlockHashByTheBook(disk, kDefaultHashBlock), expected);
  // 'A' is what LayoutImage fills with; the five bytes come from five layouts.
  const auto image = std::make_shared<LayoutImage>(
      std::vector<Layout>{{1, kData, 'h'}, {1, kData, 'e'}, {2, kData, 'l'}, {1, kData, 'o'}, {kMiB - 5, kNone}});
  EXPECT_EQ(BlockHashOf(test::OneLayer(image), kDefaultHashBlock, 0), expected);
}

TEST(BlockHashes, DoesNotReadWhatTheMapKnows) {
  const auto image = std::make_shared<LayoutImage>(
      std::vector<Layout>{{64 * kKiB, kData, 'A'}, {std::uint64_t{1} << 40, kNone}, {64 * kKiB, kData, 'B'}});
  const Chain chain = test::OneLayer(image);
  HashOptions options;
  options.algorithms = {DigestAlgorithm::kMd5};
  ASSERT_TRUE(BlockHashes(chain, kLargestHashBlock, options).ok());
  EXPECT_LE(image->bytes_read(), 2 * kLargestHashBlock);
}

TEST(BlockHashes, SeveralAlgorithmsGiveWhatEachGivesAlone) {
  const Chain chain = test::OneLayer(
      std::make_shared<LayoutImage>(std::vector<Layout>{{3 * kMiB, kData, 'A'}, {kMiB, kNone}, {99, kData, 'B'}}));
  HashOptions all;
  all.algorithms = EveryAlgorithm();
  const auto together = BlockHashes(chain, kDefaultHashBlock, all);
  ASSERT_TRUE(together.ok());
  for (std::size_t i = 0; i < all.algorithms.size(); ++i) {
    HashOptions one;
    one.algorithms = {all.algorithms[i]};
    const auto alone = BlockHashes(chain, kDefaultHashBlock, one);
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(together.value()[i], alone.value().front()) << TraitsOf(all.algorithms[i]).name;
  }
}

TEST(BlockHashes, FailsWhereTheDiskCannotBeRead) {
  for (const bool map_fails : {false, true}) {
    const auto image = std::make_shared<LayoutImage>(std::vector<Layout>{{8 * kMiB, kData, 'A'}});
    image->Break(5 * kMiB, map_fails);
    const Chain chain = test::OneLayer(image);
    EXPECT_FALSE(BlockHashes(chain, kDefaultHashBlock, {}).ok());
    EXPECT_FALSE(GuestDigests(chain, {}).ok());
  }
}

TEST(BlockHashes, StopsWhenItIsCancelled) {
  const Chain chain =
      test::OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{{std::uint64_t{1} << 62, kNone}}));
  for (const bool by_blocks : {true, false}) {
    std::atomic<bool> cancel{false};
    HashOptions options;
    options.algorithms = {DigestAlgorithm::kCrc32c};
    options.cancel = &cancel;
    options.progress = [&](std::uint64_t /*done*/, std::uint64_t /*total*/) { cancel = true; };
    const auto values = by_blocks ? BlockHashes(chain, kDefaultHashBlock, options) : GuestDigests(chain, options);
    ASSERT_FALSE(values.ok());
    EXPECT_EQ(values.error().kind(), ErrorKind::kCancelled);
  }
}

TEST(FileDigests, HashesHolesWithoutReadingThem) {
  std::vector<std::byte> bytes = RandomBytes(5, 700 * kKiB + 3);
  MemoryStorage file("file", bytes);
  HashOptions options;
  options.algorithms = {DigestAlgorithm::kSha1, DigestAlgorithm::kXxh3};
  std::uint64_t last = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_LT(last, done);
    EXPECT_EQ(total, bytes.size());
    last = done;
  };
  const auto values = FileDigests(file, options);
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(last, bytes.size());
  EXPECT_EQ(values.value()[0].Hex(), HexOf(DigestAlgorithm::kSha1, bytes));
  EXPECT_EQ(values.value()[1].Hex(), HexOf(DigestAlgorithm::kXxh3, bytes));
}

}  // namespace
}  // namespace platter
