// Ways to move bytes from one file to another through the page cache: what a copy costs before any format comes in.
//
// Each run copies a file of 256 MiB without zeros to a new file, in windows, looking at the first byte of each 4 KiB as
// a scan for zeros does. Files are made in the folder that TMPDIR names. Time is wall time, CPU that of all threads.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kFileBytes = std::size_t{256} << 20;
constexpr std::size_t kPage = 4096;

std::string InFolder(const char* name) { return std::filesystem::temp_directory_path() / name; }

// The source, made once, and a fresh target for each run.
class Files {
 public:
  Files() : source_path_(InFolder("host_copy_bench.in")), target_path_(InFolder("host_copy_bench.out")) {
    source_ = open(source_path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    direct_source_ = open(source_path_.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    std::vector<std::uint64_t> block((std::size_t{1} << 20) / sizeof(std::uint64_t));
    std::uint64_t seed = 1;
    for (std::size_t done = 0; done < kFileBytes; done += block.size() * sizeof(std::uint64_t)) {
      for (auto& word : block) word = seed = seed * 6364136223846793005U + 1442695040888963407U;
      if (pwrite(source_, block.data(), block.size() * sizeof(std::uint64_t), static_cast<off_t>(done)) < 0) abort();
    }
    fsync(source_);
  }
  ~Files() {
    close(source_);
    close(direct_source_);
    unlink(source_path_.c_str());
    unlink(target_path_.c_str());
  }

  int source() const { return source_; }
  int direct_source() const { return direct_source_; }
  int OpenTarget(int flags = 0) const {
    unlink(target_path_.c_str());
    return open(target_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
  }

 private:
  std::string source_path_;
  std::string target_path_;
  int source_;
  int direct_source_;
};

const Files& TheFiles() {
  static const Files files;
  return files;
}

class Pages {
 public:
  explicit Pages(std::size_t bytes, bool huge = false) : bytes_(bytes + (huge ? kHugePage : 0)) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) abort();
    if (!huge) return;
    const std::size_t past = reinterpret_cast<std::uintptr_t>(memory_) % kHugePage;
    start_ = past == 0 ? 0 : kHugePage - past;
    if (madvise(data(), bytes, MADV_HUGEPAGE) != 0) abort();
  }
  ~Pages() { munmap(memory_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(memory_) + start_; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  void* memory_;
  std::size_t bytes_;
  std::size_t start_ = 0;
};

void Scan(const std::byte* bytes, std::size_t length) {
  for (std::size_t at = 0; at < length; at += kPage) benchmark::DoNotOptimize(bytes[at]);
}

// Runs `worker` on `threads` threads and counts the bytes.
template <class Worker>
void Measure(benchmark::State& state, unsigned threads, int flags, const std::function<void()>& before,
             const Worker& worker) {
  const int source = TheFiles().source();
  for (auto _ : state) {
    state.PauseTiming();
    const int target = TheFiles().OpenTarget(flags);
    before();
    state.ResumeTiming();
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> pool;
    for (unsigned i = 1; i < threads; ++i) pool.emplace_back([&] { worker(source, target, next); });
    worker(source, target, next);
    for (auto& thread : pool) thread.join();
    state.PauseTiming();
    close(target);
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kFileBytes));
}

// Arguments of all: bytes of a window, threads (requests in flight with io_uring).
struct Shape {
  explicit Shape(const benchmark::State& state)
      : window(static_cast<std::size_t>(state.range(0)) << 10), threads(static_cast<unsigned>(state.range(1))) {}
  std::size_t window;
  unsigned threads;
};

// When space for the target is reserved: never, all at its start, 64 MiB ahead, or a window before it is written.
enum class Reserve { kNever, kAll, kAhead, kWindow };

class Reservation {
 public:
  explicit Reservation(Reserve when) : when_(when) {}

  void Before(int target, std::size_t at, std::size_t length) {
    if (when_ == Reserve::kNever) return;
    if (when_ == Reserve::kWindow) {
      Make(target, at, length);
      return;
    }
    const std::lock_guard lock(mutex_);
    while (end_ < at + length) {
      const std::size_t step = when_ == Reserve::kAll ? kFileBytes : std::size_t{64} << 20;
      Make(target, end_, step);
      end_ += step;
    }
  }

 private:
  static void Make(int target, std::size_t at, std::size_t length) {
    if (fallocate(target, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at), static_cast<off_t>(length)) != 0) abort();
  }

  const Reserve when_;
  std::mutex mutex_;
  std::size_t end_ = 0;
};

// What becomes of the page cache when the copy is to reach the disk: nothing special, pages are written out and dropped
// behind the copy, or they are never used for the target, or for either file.
enum class Cache { kUsed, kDropped, kPassedByTarget, kPassed };

struct Way {
  bool mapped = false;  // the source's pages are written from, not copied first
  bool locked = false;  // one write at a time: the kernel spins for the file's lock, a mutex sleeps
  Reserve reserve = Reserve::kNever;
  int flags = 0;                                     // of the target
  bool huge = false;                                 // the buffer's pages
  std::optional<Cache> until_stored = std::nullopt;  // the run ends when the disk has the target
};

// Starts writing out what was written, waits for what lies kLag windows behind, and drops that of either file.
void DropBehind(int source, int target, std::size_t at, std::size_t window) {
  constexpr std::size_t kLag = 8;
  if (sync_file_range(target, static_cast<off_t>(at), static_cast<off_t>(window), SYNC_FILE_RANGE_WRITE) != 0) abort();
  if (at < kLag * window) return;
  const auto behind = static_cast<off_t>(at - kLag * window);
  const auto length = static_cast<off_t>(window);
  constexpr unsigned kWait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (sync_file_range(target, behind, length, kWait) != 0) abort();
  posix_fadvise(target, behind, length, POSIX_FADV_DONTNEED);
  posix_fadvise(source, behind, length, POSIX_FADV_DONTNEED);
}

void CopyWindows(benchmark::State& state, const Way& way) {
  const Shape shape(state);
  std::mutex mutex;
  std::unique_ptr<Reservation> reservation;
  const auto fresh = [&] { reservation = std::make_unique<Reservation>(way.reserve); };
  Measure(state, shape.threads, way.flags, fresh, [&](int source, int target, std::atomic<std::size_t>& next) {
    const Pages pages(shape.window, way.huge);
    if (way.until_stored == Cache::kPassed) source = TheFiles().direct_source();
    for (std::size_t at = next.fetch_add(shape.window); at < kFileBytes; at = next.fetch_add(shape.window)) {
      void* window = pages.data();
      if (way.mapped) {
        window = mmap(nullptr, shape.window, PROT_READ, MAP_SHARED, source, static_cast<off_t>(at));
        madvise(window, shape.window, MADV_POPULATE_READ);
      } else if (pread(source, window, shape.window, static_cast<off_t>(at)) < 0) {
        abort();
      }
      Scan(static_cast<std::byte*>(window), shape.window);
      {
        std::unique_lock lock(mutex, std::defer_lock);
        if (way.locked) lock.lock();
        reservation->Before(target, at, shape.window);
        if (pwrite(target, window, shape.window, static_cast<off_t>(at)) < 0) abort();
      }
      if (way.mapped) munmap(window, shape.window);
      if (way.until_stored == Cache::kDropped) DropBehind(source, target, at, shape.window);
    }
    // Whoever comes last finds everything written.
    if (way.until_stored && fdatasync(target) != 0) abort();
  });
}

void CopyFileRange(benchmark::State& state) {
  const Shape shape(state);
  Measure(
      state, shape.threads, 0, [] {},
      [&](int source, int target, std::atomic<std::size_t>& next) {
        for (std::size_t at = next.fetch_add(shape.window); at < kFileBytes; at = next.fetch_add(shape.window)) {
          auto from = static_cast<off_t>(at);
          auto to = from;
          for (std::size_t left = shape.window; left > 0;) {
            const ssize_t copied = copy_file_range(source, &from, target, &to, left, 0);
            if (copied <= 0) abort();
            left -= static_cast<std::size_t>(copied);
          }
        }
      });
}

// One thread, a read and then the write of each window as one request after the other, `threads` of them in flight.
void Uring(benchmark::State& state) {
  const Shape shape(state);
  Measure(
      state, 1, 0, [] {},
      [&](int source, int target, std::atomic<std::size_t>& next) {
        io_uring ring{};
        if (io_uring_queue_init(2 * shape.threads, &ring, 0) != 0) abort();
        const Pages pages(shape.window * shape.threads);
        std::vector<std::size_t> places(shape.threads);
        std::vector<bool> written(shape.threads);
        unsigned in_flight = 0;
        const auto submit = [&](unsigned slot, bool write) {
          io_uring_sqe* sqe = io_uring_get_sqe(&ring);
          std::byte* bytes = pages.data() + slot * shape.window;
          const auto length = static_cast<unsigned>(shape.window);
          if (write) {
            io_uring_prep_write(sqe, target, bytes, length, places[slot]);
          } else {
            io_uring_prep_read(sqe, source, bytes, length, places[slot]);
          }
          io_uring_sqe_set_data64(sqe, slot);
          written[slot] = write;
          ++in_flight;
        };
        const auto start = [&](unsigned slot) {
          places[slot] = next.fetch_add(shape.window);
          if (places[slot] < kFileBytes) submit(slot, false);
        };
        for (unsigned slot = 0; slot < shape.threads; ++slot) start(slot);
        while (in_flight > 0) {
          io_uring_submit_and_wait(&ring, 1);
          io_uring_cqe* cqe = nullptr;
          while (io_uring_peek_cqe(&ring, &cqe) == 0) {
            const auto slot = static_cast<unsigned>(io_uring_cqe_get_data64(cqe));
            if (cqe->res != static_cast<int>(shape.window)) abort();
            io_uring_cqe_seen(&ring, cqe);
            --in_flight;
            if (written[slot]) {
              start(slot);
            } else {
              Scan(pages.data() + slot * shape.window, shape.window);
              submit(slot, true);
            }
          }
        }
        io_uring_queue_exit(&ring);
      });
}

void Plain(benchmark::State& state) { CopyWindows(state, {}); }
void Locked(benchmark::State& state) { CopyWindows(state, {.locked = true}); }
void Mapped(benchmark::State& state) { CopyWindows(state, {.mapped = true, .locked = true}); }
void ReservedAll(benchmark::State& state) { CopyWindows(state, {.locked = true, .reserve = Reserve::kAll}); }
void ReservedAhead(benchmark::State& state) { CopyWindows(state, {.locked = true, .reserve = Reserve::kAhead}); }
void ReservedWindows(benchmark::State& state) { CopyWindows(state, {.locked = true, .reserve = Reserve::kWindow}); }
void MappedAhead(benchmark::State& state) {
  CopyWindows(state, {.mapped = true, .locked = true, .reserve = Reserve::kAhead});
}
void HugePages(benchmark::State& state) {
  CopyWindows(state, {.locked = true, .reserve = Reserve::kWindow, .huge = true});
}
// Past the page cache; what is read comes from it.
void Direct(benchmark::State& state) { CopyWindows(state, {.flags = O_DIRECT}); }

// To be run with less memory than the file has bytes: see docs/performance.md.
void Stored(benchmark::State& state, Cache cache) {
  const bool direct = cache == Cache::kPassedByTarget || cache == Cache::kPassed;
  CopyWindows(state,
              {.locked = true, .reserve = Reserve::kWindow, .flags = direct ? O_DIRECT : 0, .until_stored = cache});
}
void StoredCached(benchmark::State& state) { Stored(state, Cache::kUsed); }
void StoredDropped(benchmark::State& state) { Stored(state, Cache::kDropped); }
void StoredTargetDirect(benchmark::State& state) { Stored(state, Cache::kPassedByTarget); }
void StoredDirect(benchmark::State& state) { Stored(state, Cache::kPassed); }

const std::vector<std::vector<std::int64_t>> kShapes = {{256, 512, 2048}, {1, 2, 4}};

double Least(const std::vector<double>& values) { return *std::ranges::min_element(values); }

#define HOST_COPY(name)                 \
  BENCHMARK(name)                       \
      ->ArgsProduct(kShapes)            \
      ->Iterations(1)                   \
      ->UseRealTime()                   \
      ->MeasureProcessCPUTime()         \
      ->ComputeStatistics("min", Least) \
      ->Unit(benchmark::kMillisecond)
HOST_COPY(Plain);
HOST_COPY(Locked);
HOST_COPY(Mapped);
HOST_COPY(ReservedAll);
HOST_COPY(ReservedAhead);
HOST_COPY(ReservedWindows);
HOST_COPY(MappedAhead);
HOST_COPY(HugePages);
HOST_COPY(StoredCached);
HOST_COPY(StoredDropped);
HOST_COPY(StoredTargetDirect);
HOST_COPY(StoredDirect);
HOST_COPY(Direct);
HOST_COPY(CopyFileRange);
HOST_COPY(Uring);

}  // namespace
