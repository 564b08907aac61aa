#include "convert/hash/block_hash.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <memory>

#include "convert/copy/copy.h"
#include "convert/hash/block_digester.h"
#include "convert/hash/digest.h"
#include "convert/hash/outer_digest.h"
#include "formats/core/idle_pool.h"

namespace platter {
namespace {

using hash::Block;
using hash::OuterDigest;

// Enough blocks at once for many lanes, and still at home in a core's second-level cache.
constexpr std::uint64_t kBatchBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kBufferBytes = std::uint64_t{16} << 20;

// Everything that one algorithm needs.
class BlockHasher {
 public:
  static Result<std::unique_ptr<BlockHasher>> Make(DigestAlgorithm algorithm, std::uint64_t block_size,
                                                   const std::atomic<bool>* cancel) {
    Digest digest = PLATTER_TRY(Digest::Make(algorithm));
    digest.UpdateZeros(block_size);
    const DigestValue zero_block = PLATTER_TRY(digest.Finish());
    const std::size_t fewest_for_lanes = hash::FewestBlocksForLanes(digest);
    return std::make_unique<BlockHasher>(std::move(digest), fewest_for_lanes, zero_block, cancel);
  }
  BlockHasher(Digest outer, std::size_t fewest_for_lanes, const DigestValue& zero_block,
              const std::atomic<bool>* cancel)
      : algorithm_(outer.algorithm()),
        fewest_for_lanes_(fewest_for_lanes),
        idle_([algorithm = algorithm_] { return MakeIdle(algorithm); }),
        outer_(std::move(outer), zero_block, cancel) {}

  std::size_t digest_size() const noexcept { return TraitsOf(algorithm_).size; }
  OuterDigest& outer() noexcept { return outer_; }

  // Appends the digests of `blocks`. On any thread.
  Result<> HashBlocks(std::span<const Block> blocks, std::vector<std::byte>& out) {
    const IdlePool<Digest>::Lease lease(idle_);
    Digest* digest = lease.operator->();
    if (digest == nullptr) return Error(ErrorKind::kIo, "the host has no memory for a digest");
    return hash::HashBlocks(*digest, fewest_for_lanes_, blocks, out);
  }

  // Adds `length` zero bytes to the outer digest: whole blocks, and at the disk's end a part of one.
  Result<> AddZeros(std::uint64_t length, std::uint64_t block_size) {
    if (length >= block_size) outer_.Add({{}, length / block_size});
    const std::uint64_t rest = length % block_size;
    if (rest == 0) return Done{};
    Digest digest = PLATTER_TRY(Digest::Make(algorithm_));
    digest.UpdateZeros(rest);
    const DigestValue value = PLATTER_TRY(digest.Finish());
    outer_.Add({{value.bytes().begin(), value.bytes().end()}, 0});
    return Done{};
  }

 private:
  static std::unique_ptr<Digest> MakeIdle(DigestAlgorithm algorithm) {
    auto digest = Digest::Make(algorithm);
    return digest.ok() ? std::make_unique<Digest>(std::move(digest).value()) : nullptr;
  }

  DigestAlgorithm algorithm_;
  std::size_t fewest_for_lanes_;
  IdlePool<Digest> idle_;
  OuterDigest outer_;
};

// Hashes blocks where a copy would compress clusters, and hands their digests on where it would place them.
class BlockHashWriter : public ImageWriter {
 public:
  BlockHashWriter(std::vector<std::unique_ptr<BlockHasher>> hashers, std::uint64_t block_size)
      : hashers_(std::move(hashers)),
        block_size_(block_size),
        traits_{.unit = block_size, .batch_alignment = std::max(block_size, kBatchBytes)} {}

  const WriterTraits& traits() const noexcept override { return traits_; }

  // Leaves in Batch::encoded, for each algorithm, the digests of all blocks with data.
  Result<> Encode(Batch& batch) override {
    std::vector<Block> blocks;
    for (const Run& run : batch.runs) {
      if (run.kind != Run::Kind::kData) continue;
      PLATTER_CHECK(ForEachPart(run, block_size_, [&](const Run& block) -> Result<> {
        blocks.push_back(batch.bytes.subspan(block.offset - batch.offset, block.length));
        return Done{};
      }));
    }
    batch.encoded.clear();
    for (const auto& hasher : hashers_) PLATTER_CHECK(hasher->HashBlocks(blocks, batch.encoded));
    return Done{};
  }

  Result<> Place(Batch& batch) override {
    std::size_t used = 0;  // of Batch::encoded
    for (const auto& hasher : hashers_) {
      for (const Run& run : batch.runs) {
        if (run.kind != Run::Kind::kData) {
          PLATTER_CHECK(hasher->AddZeros(run.length, block_size_));
          continue;
        }
        const std::size_t bytes = (run.length + block_size_ - 1) / block_size_ * hasher->digest_size();
        const auto digests = std::span(batch.encoded).subspan(used, bytes);
        hasher->outer().Add({{digests.begin(), digests.end()}, 0});
        used += bytes;
      }
    }
    return Done{};
  }

  Result<> Store(Batch& /*batch*/) override { return Done{}; }
  Result<> Finish() override { return Done{}; }

  Result<std::vector<DigestValue>> FinishDigests(std::uint64_t length) {
    std::vector<DigestValue> values;
    for (const auto& hasher : hashers_) values.push_back(PLATTER_TRY(hasher->outer().Finish(length)));
    return values;
  }

 private:
  std::vector<std::unique_ptr<BlockHasher>> hashers_;
  std::uint64_t block_size_;
  WriterTraits traits_;
};

}  // namespace

Result<std::vector<DigestValue>> BlockHashes(const Chain& chain, std::uint64_t block_size, const HashOptions& options) {
  assert(std::has_single_bit(block_size) && block_size >= kSmallestHashBlock && block_size <= kLargestHashBlock);
  std::vector<std::unique_ptr<BlockHasher>> hashers;
  for (const DigestAlgorithm algorithm : options.algorithms) {
    hashers.push_back(PLATTER_TRY(BlockHasher::Make(algorithm, block_size, options.cancel)));
  }
  BlockHashWriter writer(std::move(hashers), block_size);
  CopyOptions copy;
  copy.workers = options.workers;
  copy.sparse_granularity = block_size;
  copy.buffer_bytes = kBufferBytes;
  copy.progress = options.progress;
  copy.cancel = options.cancel;
  const Chain* source = &chain;
  PLATTER_CHECK(Copy(std::span(&source, 1), writer, copy));
  auto values = writer.FinishDigests(chain.virtual_size());
  if (options.cancel != nullptr && options.cancel->load()) return Error(ErrorKind::kCancelled, "cancelled");
  return values;
}

}  // namespace platter
