// DigestPool: the digests of many streams at once (uploads, files under audit), in the lanes of a few threads.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "convert/hash/algorithm.h"
#include "convert/hash/block_loops.h"
#include "convert/hash/digest.h"
#include "convert/kernels/digest_lanes.h"
#include "formats/core/result.h"

namespace platter {

// Streams whose algorithm is the same are hashed side by side, one in each lane; what waits alone is hashed by
// OpenSSL's loop, so that one stream is as fast as EVP. MD5 and SHA-512 of one stream are a pass of their own where the
// CPU can do both at once (kernels/md5_sha512.h). Whoever waits longest for a pass comes first, and the passes take
// turns. Thread-safe.
class DigestPool : public std::enable_shared_from_this<DigestPool> {
 public:
  class Stream;

  // `threads` of them hash, at least 1. kUnsupported as Digest::Make; kIo where the host grants no thread.
  static Result<std::shared_ptr<DigestPool>> Make(unsigned threads = 1);
  // Streams keep the pool: none is left.
  ~DigestPool();
  DigestPool(const DigestPool&) = delete;
  DigestPool& operator=(const DigestPool&) = delete;

  // At least one algorithm. kUnsupported as Digest::Make.
  Result<std::unique_ptr<Stream>> Open(std::span<const DigestAlgorithm> algorithms);

 private:
  // One algorithm of one stream.
  struct Part {
    DigestAlgorithm algorithm = DigestAlgorithm::kMd5;
    std::optional<kernels::LaneDigest> lanes;  // with `state`; an algorithm without lanes has `digest`
    kernels::MessageState state{};
    std::optional<Digest> digest;
    DigestValue value;
    std::optional<Error> error;
  };
  // What is hashed in one pass over a stream.
  struct Member {
    enum class State : std::uint8_t { kIdle, kWaiting, kBusy };

    Stream* stream = nullptr;
    std::size_t queue = 0;
    std::vector<Part> parts;  // one; in the queue of both, MD5 and SHA-512
    // What follows is guarded by the pool's mutex.
    State doing = State::kIdle;
    std::uint64_t taken = 0;  // slots that it is done with
    std::size_t at_work = 0;  // slots that a thread has in its hands
  };
  // The members that wait for one kind of pass.
  struct Queue {
    std::deque<Member*> members;
    hash::BlockLoop loop;                         // of its algorithm; of MD5 in the queue of both
    std::optional<std::size_t> fewest_for_lanes;  // 0: never in lanes
    std::size_t lanes = 0;
    std::size_t most_lanes = 0;  // of both, MD5 has more
  };
  static constexpr std::size_t kAlgorithms = 12;
  static constexpr std::size_t kBoth = kAlgorithms;  // behind a queue for each algorithm, the one of MD5 with SHA-512
  static constexpr std::size_t kQueues = kBoth + 1;
  static constexpr std::size_t kMostAtOnce = 64;  // more than any CPU has lanes

  DigestPool() = default;
  Result<> StartThreads(unsigned threads);
  Result<> Prepare(DigestAlgorithm algorithm);
  void PrepareBoth();
  static Result<Part> MakePart(DigestAlgorithm algorithm);
  static Result<> AddMember(Stream& stream, std::size_t queue, std::span<const DigestAlgorithm> algorithms);
  static std::size_t CountTogether(const Queue& queue) noexcept;
  void Work();
  // These want the mutex held.
  void Enqueue(Member& member);
  void TakeBatch(std::vector<Member*>& batch);
  void GiveBack(std::span<Member* const> batch);

  static void Hash(const Queue& queue, std::span<Member* const> batch);
  static void HashInLanes(std::span<Member* const> batch, std::size_t part);
  static void HashAlone(const Queue& queue, Member& member);

  std::mutex mutex_;  // guards all that follows, and the streams' counts
  std::condition_variable work_;
  std::array<Queue, kQueues> queues_;
  std::size_t waiting_ = 0;  // members in queues
  std::size_t turn_ = 0;     // the queue that is looked at first
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

// One message, fed by one thread at a time. Holds up to 512 KiB; who pushes faster than the pool hashes waits.
// Destroyed before Finish it leaves at once, but for what is being hashed at that moment.
class DigestPool::Stream {
 public:
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Where to put the bytes that come next; not empty. Waits until there is room. Valid until the next call of anything.
  std::span<std::byte> Buffer();
  // Adds the first `length` bytes of what Buffer returned last.
  void Push(std::size_t length);
  void Update(std::span<const std::byte> bytes);
  // As Update with so many zeros.
  void UpdateZeros(std::uint64_t count);
  // Waits for the digests; they are in the order of the algorithms. To be called once, last.
  Result<std::vector<DigestValue>> Finish();

 private:
  friend class DigestPool;

  static constexpr std::size_t kSlots = 8;
  static constexpr std::size_t kSlotBytes = std::size_t{64} << 10;  // a multiple of every algorithm's block

  // All but the last are full.
  struct Slot {
    std::vector<std::byte> bytes;
    std::size_t length = 0;
    bool zeros = false;  // so many zeros instead of `bytes`
    bool last = false;

    std::span<const std::byte> content() const noexcept;
    // Its whole blocks.
    std::span<const std::byte> blocks(kernels::LaneDigest digest) const noexcept;
  };

  // The member has taken the last slot, whose blocks were hashed.
  static void End(Member& member, const Slot& last);
  static void EndPart(Part& part, const Slot& last, std::uint64_t length);

  Stream(std::shared_ptr<DigestPool> pool, std::span<const DigestAlgorithm> algorithms)
      : pool_(std::move(pool)), algorithms_(algorithms.begin(), algorithms.end()) {}
  Slot& FreeSlot();
  void Enqueue();
  // Of one that was asked for.
  Part& PartOf(DigestAlgorithm algorithm) noexcept;
  // Of those that are at work, the one at that place.
  const Slot& SlotOf(const Member& member, std::size_t place = 0) const noexcept {
    return slots_[(member.taken + place) % kSlots];
  }
  // With the mutex held: slots that some member has still to take.
  std::uint64_t Backlog() const noexcept;
  // Waits until it is that small.
  void AwaitBacklog(std::unique_lock<std::mutex>& lock, std::uint64_t slots);

  const std::shared_ptr<DigestPool> pool_;
  const std::vector<DigestAlgorithm> algorithms_;
  std::vector<Member> members_;
  std::array<Slot, kSlots> slots_;
  std::condition_variable freed_;
  // What follows is guarded by the pool's mutex.
  std::uint64_t filled_ = 0;  // slots that were enqueued
  std::uint64_t length_ = 0;  // bytes in them
  bool abandoned_ = false;
  // Whoever waits does so until the backlog is this small.
  std::uint64_t awaited_ = kSlots;
};

}  // namespace platter
