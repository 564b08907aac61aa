// The parts of reading qcow2: the walk over a large image's extents, the decoding of table pages, and the inflating of
// clusters.
#include <benchmark/benchmark.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/bandwidth.h"
#include "formats/core/bytes.h"
#include "formats/core/file_storage.h"
#include "formats/core/table_cache.h"
#include "formats/format_table.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/inflate.h"

namespace {

using namespace platter;
using namespace platter::qcow2;

constexpr std::uint64_t kDiskSize = std::uint64_t{1} << 40;
constexpr std::uint64_t kCluster = 65536;

enum class Layout { kContiguous, kScattered, kEmpty };

std::uint64_t EntryOf(Layout layout, std::uint64_t data, std::uint64_t cluster) {
  // Neighbours change places, so that no two clusters join.
  const std::uint64_t place = layout == Layout::kScattered ? cluster ^ 1 : cluster;
  return kCopied | (data + place * kCluster);
}

// A sparse file that holds nothing but the tables of a disk of 1 TiB; removed when the object goes.
class TableFile {
 public:
  explicit TableFile(Layout layout) {
    path_ = std::filesystem::temp_directory_path() / "platter-bench-XXXXXX";
    close(mkstemp(path_.data()));
    storage_ = FileStorage::Open(path_, {.access = FileMode::Access::kReadWrite, .lock = false}).value();
    Header header;
    header.virtual_size = kDiskSize;
    header.l1_size = static_cast<std::uint32_t>(header.l1_entries_for(kDiskSize));
    header.refcount_table_offset = kCluster;
    header.refcount_table_clusters = 1;
    header.l1_table_offset = 2 * kCluster;
    Put(0, SerializeHeader(header).value());
    const std::uint64_t l2 = 4 * kCluster;
    const std::uint64_t data = l2 + header.l1_size * kCluster;
    std::vector<std::byte> table(kCluster);
    for (std::uint64_t index = 0; layout != Layout::kEmpty && index < header.l1_size; ++index) {
      std::byte entry[8];
      StoreBe(entry, kCopied | (l2 + index * kCluster));
      Put(header.l1_table_offset + index * 8, entry);
      for (std::uint64_t at = 0; at < header.l2_entries(); ++at) {
        StoreBe(table.data() + at * 8, EntryOf(layout, data, index * header.l2_entries() + at));
      }
      Put(l2 + index * kCluster, table);
    }
    if (!storage_->Resize(data + kDiskSize).ok()) abort();
  }
  ~TableFile() { unlink(path_.c_str()); }
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  const std::shared_ptr<FileStorage>& storage() const { return storage_; }

 private:
  void Put(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (!storage_->WriteAt(offset, bytes).ok()) abort();
  }

  std::string path_;
  std::shared_ptr<FileStorage> storage_;
};

void WalkOneTebibyte(benchmark::State& state, Layout layout) {
  const TableFile file(layout);
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  std::uint64_t extents = 0;
  for (auto _ : state) {
    const auto image = FindFormat("qcow2")->open(file.storage(), context);
    for (std::uint64_t at = 0; at < kDiskSize;) {
      const auto extent = image.value()->Map(at, kDiskSize - at);
      if (!extent.ok()) return state.SkipWithError(extent.error().Describe().c_str());
      at += extent.value().length;
      ++extents;
    }
  }
  state.counters["extents"] = benchmark::Counter(static_cast<double>(extents), benchmark::Counter::kAvgIterations);
}
BENCHMARK_CAPTURE(WalkOneTebibyte, contiguous, Layout::kContiguous)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(WalkOneTebibyte, scattered, Layout::kScattered)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(WalkOneTebibyte, empty, Layout::kEmpty)->Unit(benchmark::kMillisecond);

// Loading and decoding L2 tables that are not in the cache.
void LoadTablePages(benchmark::State& state) {
  const TableFile file(Layout::kContiguous);
  TableCache cache(file.storage(), kCluster, kCluster);
  std::uint64_t page = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.Get((4 + page++ % 2048) * kCluster));
  }
  bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations()) * kCluster);
}
BENCHMARK(LoadTablePages);

// Half text, half noise.
std::vector<std::byte> MixedCluster() {
  std::vector<std::byte> bytes(kCluster);
  std::minstd_rand noise(1);
  const std::string text = "the quick brown fox jumps over the lazy dog 0123456789\n";
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] = at % 8192 < 4096 ? std::byte(text[(at * 7 / 5) % text.size()]) : std::byte(noise() >> 8);
  }
  return bytes;
}

std::vector<std::byte> Deflated(const std::vector<std::byte>& bytes) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY);
  std::vector<std::byte> out(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::vector<std::byte> Zstandard(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> out(ZSTD_compressBound(bytes.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

void InflateCluster(benchmark::State& state, Compression compression) {
  const auto bytes = MixedCluster();
  const auto stream = compression == Compression::kZlib ? Deflated(bytes) : Zstandard(bytes);
  std::vector<std::byte> out(bytes.size());
  Inflater inflater(compression);
  for (auto _ : state) {
    if (!inflater.Inflate(stream, out).ok()) return state.SkipWithError("inflate failed");
  }
  bench::ReportBytes(state, static_cast<std::uint64_t>(state.iterations()) * kCluster);
}
BENCHMARK_CAPTURE(InflateCluster, zlib, Compression::kZlib);
BENCHMARK_CAPTURE(InflateCluster, zstd, Compression::kZstd);

}  // namespace
