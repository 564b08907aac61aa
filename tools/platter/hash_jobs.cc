#include "tools/platter/hash_jobs.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "convert/hash/block_hash.h"
#include "convert/hash/digest_set.h"
#include "convert/hash/guest_digest.h"
#include "formats/core/file_storage.h"
#include "formats/core/wait_for.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/progress.h"
#include "tools/platter/source_watch.h"

namespace platter::cli {
namespace {

constexpr unsigned kMostAtOnce = 16;

Result<HashedFile> HashStandardInput(const HashJob& job, const HashRules& rules) {
  const auto digests = PLATTER_TRY(DigestSet::Make(job.algorithms));
  HashedFile hashed;
  while (true) {
    PLATTER_CHECK(WaitFor(STDIN_FILENO, POLLIN, rules.cancel));
    const auto room = digests->Buffer();
    const ssize_t got = read(STDIN_FILENO, room.data(), room.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Error::FromErrno(errno, "reading the standard input");
    if (got == 0) break;
    digests->Push(static_cast<std::size_t>(got));
    hashed.size += static_cast<std::uint64_t>(got);
  }
  hashed.digests = PLATTER_TRY(digests->Finish());
  return hashed;
}

// Calls `hash` with the options for a file or disk of `size` bytes, and shows how far it is.
template <class Hash>
Result<HashedFile> WithProgress(const HashJob& job, const HashRules& rules, std::uint64_t size, const Hash& hash) {
  Progress progress(rules.progress, false, size, stderr);
  HashOptions options;
  options.algorithms = job.algorithms;
  options.cancel = rules.cancel;
  options.progress = [&progress](std::uint64_t done, std::uint64_t /*total*/) { progress.Update(done); };
  auto digests = hash(options);
  progress.Finish(digests.ok());
  return HashedFile{size, PLATTER_TRY(std::move(digests))};
}

Result<HashedFile> HashGuest(const HashJob& job, const HashRules& rules) {
  ImageArgument argument;
  argument.text = job.name;
  argument.image_opts = rules.image_opts;
  argument.format = rules.format;
  argument.force_share = rules.force_share;
  argument.containers = true;
  argument.disk = rules.disk;
  SourceWatch watch;
  const OpenedChain opened = PLATTER_TRY(OpenWatched(argument, watch));
  const Chain chain = opened.chain();
  auto hashed = WithProgress(job, rules, chain.virtual_size(), [&](const HashOptions& options) {
    return rules.form == HashForm::kBlock ? BlockHashes(chain, rules.block_size, options)
                                          : GuestDigests(chain, options);
  });
  if (hashed.ok()) PLATTER_CHECK(watch.Unchanged());
  return hashed;
}

// Threads that read; hashing is the pool's. More than there are cores: the more files, the more lanes have work.
unsigned CountReaders(const HashRules& rules, std::size_t jobs) {
  if (rules.form != HashForm::kFile || rules.progress) return 1;
  return static_cast<unsigned>(std::min<std::size_t>(kMostAtOnce, jobs));
}

// Jobs taken in order by several threads, and outcomes handed out in the same order.
class Queue {
 public:
  Queue(std::span<const HashJob> jobs, const HashRules& rules, DigestPool& pool)
      : jobs_(jobs), rules_(rules), pool_(pool), outcomes_(jobs.size()) {}

  void Work() {
    while (true) {
      const std::size_t index = next_.fetch_add(1);
      if (index >= jobs_.size()) return;
      auto outcome = HashFile(jobs_[index], rules_, &pool_);
      {
        const std::lock_guard lock(mutex_);
        outcomes_[index].emplace(std::move(outcome));
      }
      finished_.notify_one();
    }
  }
  Result<HashedFile> WaitFor(std::size_t index) {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return outcomes_[index].has_value(); });
    return *std::exchange(outcomes_[index], std::nullopt);
  }
  // Nothing more is begun.
  void Close() { next_.store(jobs_.size()); }

 private:
  std::span<const HashJob> jobs_;
  const HashRules& rules_;
  DigestPool& pool_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;  // guards what follows
  std::condition_variable finished_;
  std::vector<std::optional<Result<HashedFile>>> outcomes_;
};

void HashInTurn(std::span<const HashJob> jobs, const HashRules& rules,
                const std::function<bool(const HashJob&, Result<HashedFile>)>& take) {
  for (const HashJob& job : jobs) {
    if (!take(job, HashFile(job, rules))) return;
  }
}

}  // namespace

std::optional<std::uint64_t> ParseHashBlockSize(const Persona& persona, std::string_view text) {
  const auto size = ParseSizeArgument(persona, "block size", text);
  if (!size || (std::has_single_bit(*size) && *size >= kSmallestHashBlock && *size <= kLargestHashBlock)) return size;
  Complain(persona, fmt::format("Invalid block size '{}': it is a power of two from {} to {}", text, kSmallestHashBlock,
                                kLargestHashBlock));
  return std::nullopt;
}

Result<HashedFile> HashFile(const HashJob& job, const HashRules& rules, DigestPool* pool) {
  if (rules.form != HashForm::kFile) return HashGuest(job, rules);
  if (job.name == "-") return HashStandardInput(job, rules);
  const auto file = PLATTER_TRY(FileStorage::Open(job.name, {.lock = false}));
  return WithProgress(job, rules, file->size(), [&](const HashOptions& options) {
    return pool != nullptr ? FileDigests(*file, options, *pool) : FileDigests(*file, options);
  });
}

void HashFiles(std::span<const HashJob> jobs, const HashRules& rules,
               const std::function<bool(const HashJob&, Result<HashedFile>)>& take) {
  const unsigned readers = CountReaders(rules, jobs.size());
  if (readers <= 1) return HashInTurn(jobs, rules, take);
  const auto pool = DigestPool::Make(std::clamp(std::thread::hardware_concurrency(), 1U, kMostAtOnce));
  if (!pool.ok()) return HashInTurn(jobs, rules, take);
  Queue queue(jobs, rules, *pool.value());
  std::vector<std::thread> threads;
  try {
    for (unsigned i = 0; i < readers; ++i) threads.emplace_back([&queue] { queue.Work(); });
  } catch (const std::system_error&) {
    if (threads.empty()) return HashInTurn(jobs, rules, take);
  }
  for (std::size_t index = 0; index < jobs.size(); ++index) {
    if (!take(jobs[index], queue.WaitFor(index))) break;
  }
  queue.Close();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace platter::cli
