// DigestSet: several algorithms over the same bytes, in the time of the slowest one.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "convert/hash/algorithm.h"
#include "convert/hash/digest.h"
#include "formats/core/result.h"

namespace platter {

// Fed by one thread at a time. Every algorithm has a thread of its own, behind a queue of 2 MiB that they share; one
// algorithm alone works in the thread that feeds it, unless `in_background`. Where the host grants no thread, that
// algorithm works in the feeding thread too.
class DigestSet {
 public:
  // At least one algorithm. kUnsupported as Digest::Make.
  static Result<std::unique_ptr<DigestSet>> Make(std::span<const DigestAlgorithm> algorithms,
                                                 bool in_background = false);
  // Ends the threads, whatever is still queued.
  ~DigestSet();
  DigestSet(const DigestSet&) = delete;
  DigestSet& operator=(const DigestSet&) = delete;

  // Where to put the bytes that come next, for a reader that would have to copy them otherwise. Waits until there is
  // room. Valid until the next call of anything else.
  std::span<std::byte> Buffer();
  // Adds the first `length` bytes of what Buffer returned last.
  void Push(std::size_t length);
  void Update(std::span<const std::byte> bytes);
  // As Update with so many zeros, which take no room in the queue.
  void UpdateZeros(std::uint64_t count);
  // The digests, in the order of the algorithms. To be called once, last.
  Result<std::vector<DigestValue>> Finish();

 private:
  static constexpr std::size_t kSlots = 8;
  static constexpr std::size_t kSlotBytes = std::size_t{256} << 10;

  // Bytes, or as many zeros.
  struct Slot {
    std::vector<std::byte> bytes;
    std::size_t length = 0;
    std::uint64_t zeros = 0;
  };
  struct Member {
    explicit Member(Digest made) : digest(std::move(made)) {}
    Digest digest;
    std::uint64_t taken = 0;  // slots that it is done with
    std::thread thread;       // without one the feeding thread does its work
  };

  explicit DigestSet(std::vector<Digest> digests);
  void StartThreads();
  void Work(Member& member);
  static void Take(Member& member, const Slot& slot);
  Slot& WaitForSlot();
  void Queue();
  bool HasRoom() const;

  std::vector<Member> members_;
  bool queued_ = false;  // some member has a thread
  std::vector<Slot> slots_;
  std::mutex mutex_;  // guards what follows, and Member::taken
  std::condition_variable filled_;
  std::condition_variable freed_;
  std::uint64_t queued_slots_ = 0;
  bool ended_ = false;
  bool abandoned_ = false;
};

}  // namespace platter
