#include "convert/hash/audit.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "convert/copy/rate_limit.h"
#include "convert/hash/digest_pool.h"
#include "convert/hash/guest_digest.h"
#include "formats/core/file_storage.h"

namespace platter {
namespace {

constexpr unsigned kMostReaders = 64;
constexpr unsigned kMostHashers = 64;
constexpr unsigned kReadersForHasher = 16;  // as many as there are lanes of the narrowest digests

FileStamp StampFrom(const struct stat& status) {
  FileStamp stamp;
  stamp.size = static_cast<std::uint64_t>(status.st_size);
  stamp.modified = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  return stamp;
}

bool IsMissing(const Error& error) { return error.os_error() == ENOENT || error.os_error() == ENOTDIR; }

// The algorithms that are recorded, each once.
std::vector<DigestAlgorithm> AlgorithmsOf(const AuditedFile& file) {
  std::vector<DigestAlgorithm> algorithms;
  for (const RecordedDigest& recorded : file.recorded) {
    if (std::ranges::find(algorithms, recorded.algorithm) == algorithms.end()) algorithms.push_back(recorded.algorithm);
  }
  return algorithms;
}

// What all readers share.
class Auditor {
 public:
  Auditor(std::span<const AuditedFile> files, const AuditOptions& options, std::shared_ptr<DigestPool> pool,
          const std::function<void(std::size_t, AuditFinding)>& take)
      : files_(files), options_(options), pool_(std::move(pool)), take_(take), rate_(options.rate) {}

  void Work() {
    while (!Cancelled()) {
      const std::size_t index = next_.fetch_add(1);
      if (index >= files_.size()) return;
      auto finding = Verify(files_[index]);
      if (finding.error && finding.error->kind() == ErrorKind::kCancelled) return;
      const std::lock_guard lock(taking_);
      take_(index, std::move(finding));
    }
  }

  bool Cancelled() const { return options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed); }

 private:
  AuditFinding Verify(const AuditedFile& file) {
    AuditFinding finding;
    auto digests = DigestsOf(file, finding.stamp);
    const bool opened = finding.stamp != FileStamp{};
    const bool cancelled = !digests.ok() && digests.error().kind() == ErrorKind::kCancelled;
    // Looked at by its path once more: a file that was replaced is another one.
    if (opened && !cancelled) {
      const auto now = StampOf(file.path);
      if (now && *now != finding.stamp) {
        finding.verdict = AuditFinding::Verdict::kChanged;
        return finding;
      }
      if (!now) digests = Error::FromErrno(ENOENT, "the file vanished while it was read").In(file.path);
    }
    if (!digests.ok()) {
      using enum AuditFinding::Verdict;
      finding.verdict = IsMissing(digests.error()) ? kMissing : kUnreadable;
      finding.error = std::move(digests).error();
      return finding;
    }
    Judge(file, digests.value(), finding);
    return finding;
  }

  static void Judge(const AuditedFile& file, std::span<const DigestValue> digests, AuditFinding& finding) {
    const auto algorithms = AlgorithmsOf(file);
    for (const RecordedDigest& recorded : file.recorded) {
      const auto place = std::ranges::find(algorithms, recorded.algorithm) - algorithms.begin();
      finding.digests.push_back(digests[static_cast<std::size_t>(place)]);
      if (finding.digests.back().Hex() != recorded.hex) finding.verdict = AuditFinding::Verdict::kDiffers;
    }
  }

  Result<std::vector<DigestValue>> DigestsOf(const AuditedFile& file, FileStamp& stamp) {
    const auto storage = PLATTER_TRY(FileStorage::Open(file.path, {.lock = false}));
    struct stat status {};
    if (fstat(storage->fd(), &status) != 0) return Error::FromErrno(errno, "cannot stat the file").In(file.path);
    stamp = StampFrom(status);
    std::uint64_t reported = 0;
    HashOptions options;
    options.algorithms = AlgorithmsOf(file);
    options.cancel = options_.cancel;
    options.rate = options_.rate == 0 ? nullptr : &rate_;
    options.progress = [&](std::uint64_t done, std::uint64_t /*total*/) {
      Report(done - std::exchange(reported, done));
    };
    return FileDigests(*storage, options, *pool_);
  }

  void Report(std::uint64_t bytes) {
    if (!options_.progress) return;
    const std::lock_guard lock(reporting_);
    done_ += bytes;
    options_.progress(done_);
  }

  std::span<const AuditedFile> files_;
  const AuditOptions& options_;
  const std::shared_ptr<DigestPool> pool_;
  const std::function<void(std::size_t, AuditFinding)>& take_;
  copy::RateLimit rate_;
  std::atomic<std::size_t> next_{0};
  std::mutex taking_;     // held while take_ runs
  std::mutex reporting_;  // guards done_, and is held while the caller's progress runs
  std::uint64_t done_ = 0;
};

}  // namespace

std::optional<FileStamp> StampOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return StampFrom(status);
}

Result<> Audit(std::span<const AuditedFile> files, const AuditOptions& options,
               const std::function<void(std::size_t index, AuditFinding finding)>& take) {
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
  const unsigned hashers = std::min(options.hashers != 0 ? options.hashers : cores, kMostHashers);
  const unsigned wanted = options.readers != 0 ? options.readers : kReadersForHasher * hashers;
  const auto readers = static_cast<unsigned>(std::min<std::size_t>(std::min(wanted, kMostReaders), files.size()));
  Auditor auditor(files, options, PLATTER_TRY(DigestPool::Make(hashers)), take);
  std::vector<std::thread> threads;
  try {
    while (threads.size() < readers) threads.emplace_back([&auditor] { auditor.Work(); });
  } catch (const std::system_error&) {
    if (threads.empty()) auditor.Work();  // one after the other, then
  }
  for (std::thread& thread : threads) thread.join();
  if (auditor.Cancelled()) return Error(ErrorKind::kCancelled, "cancelled");
  return Done{};
}

}  // namespace platter
