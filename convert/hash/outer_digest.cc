#include "convert/hash/outer_digest.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "formats/core/bytes.h"

namespace platter::hash {
namespace {

// Digests of zero blocks that are hashed in one call: what fits the first-level cache.
constexpr std::size_t kZeroDigestBytes = std::size_t{16} << 10;

}  // namespace

OuterDigest::OuterDigest(Digest digest, const DigestValue& zero_block, const std::atomic<bool>* cancel)
    : digest_(std::move(digest)), digest_size_(zero_block.size), cancel_(cancel) {
  for (std::size_t used = 0; used + digest_size_ <= kZeroDigestBytes; used += digest_size_) {
    zero_digests_.insert(zero_digests_.end(), zero_block.bytes().begin(), zero_block.bytes().end());
  }
  try {
    thread_ = std::thread([this] { Work(); });
  } catch (const std::system_error&) {
    // The host grants no more threads: Add does the work.
  }
}

OuterDigest::~OuterDigest() { Stop(true); }

void OuterDigest::Stop(bool abandon) {
  if (abandon) abandoned_ = true;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  filled_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void OuterDigest::Take(const BlockRun& run) {
  digest_.Update(run.digests);
  const std::uint64_t at_once = zero_digests_.size() / digest_size_;
  for (std::uint64_t left = run.zero_blocks; left != 0 && !Cancelled() && !abandoned_;) {
    const std::uint64_t part = std::min(left, at_once);
    digest_.Update(std::span(zero_digests_).first(part * digest_size_));
    left -= part;
  }
}

void OuterDigest::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [&] { return ended_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const BlockRun run = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Take(run);
    lock.lock();
    queued_bytes_ -= CostOf(run);
    freed_.notify_one();
  }
}

void OuterDigest::Add(BlockRun run) {
  if (!thread_.joinable()) return Take(run);
  {
    std::unique_lock lock(mutex_);
    const std::size_t cost = CostOf(run);
    freed_.wait(lock, [&] { return queued_bytes_ == 0 || queued_bytes_ + cost <= kQueueBytes; });
    queued_bytes_ += cost;
    queue_.push_back(std::move(run));
  }
  filled_.notify_one();
}

Result<DigestValue> OuterDigest::Finish(std::uint64_t length) {
  Stop(false);
  std::array<std::byte, sizeof(length)> bytes{};
  StoreLe(bytes.data(), length);
  digest_.Update(bytes);
  return digest_.Finish();
}

}  // namespace platter::hash
