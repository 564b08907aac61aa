// The outer half of a block hash: takes the digests of the blocks, in order, in a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "convert/hash/digest.h"
#include "formats/core/result.h"

namespace platter::hash {

// Blocks in a row: the digests of each, or only how many zero blocks there are.
struct BlockRun {
  std::vector<std::byte> digests;
  std::uint64_t zero_blocks = 0;
};

// Fed by one thread at a time. Its queue holds kQueueBytes at most, and takes one run whatever its size; the blocks of
// a long run of zeros are hashed while those that feed it go on. Where the host grants no thread it works in the
// feeding one.
class OuterDigest {
 public:
  static constexpr std::size_t kQueueBytes = std::size_t{4} << 20;

  // `zero_block`: the digest of a block of zeros. `cancel` as in HashOptions: the queue is then emptied without work.
  OuterDigest(Digest digest, const DigestValue& zero_block, const std::atomic<bool>* cancel);
  ~OuterDigest();
  OuterDigest(const OuterDigest&) = delete;
  OuterDigest& operator=(const OuterDigest&) = delete;

  void Add(BlockRun run);
  // To be called once, last. `length`: of the disk, in bytes.
  Result<DigestValue> Finish(std::uint64_t length);

 private:
  static std::size_t CostOf(const BlockRun& run) noexcept { return run.digests.size() + sizeof(BlockRun); }
  void Work();
  void Take(const BlockRun& run);
  void Stop(bool abandon);
  bool Cancelled() const { return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed); }

  Digest digest_;
  std::size_t digest_size_;
  std::vector<std::byte> zero_digests_;  // of zero blocks, in a row
  const std::atomic<bool>* cancel_;
  std::atomic<bool> abandoned_{false};
  std::mutex mutex_;  // guards what follows
  std::condition_variable filled_;
  std::condition_variable freed_;
  std::deque<BlockRun> queue_;
  std::size_t queued_bytes_ = 0;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace platter::hash
