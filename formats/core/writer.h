// ImageWriter: builds a new image (or rewrites an existing one) out of guest bytes that arrive in batches.
//
// A batch goes through three stages, so that the work runs on many threads and the result is the same for any number
// of them:
//   Encode  any thread, any order   pure work on the batch's own bytes: compression
//   Place   in guest order, one at a time   hands out host offsets and fills table entries
//   Store   any thread, any order after its Place   moves the payload to the host
// and Finish closes the image. Each table is written once, whole, when it is complete; the header that makes the file
// valid is written last, by Finish, so that an interrupted conversion never looks like a finished image. Nothing that a
// writer holds in memory grows with the guest disk's size or its number of extents, beyond the format's top-level
// tables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "formats/core/image.h"
#include "formats/core/packing.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

// A stretch of the guest disk of one kind, inside a batch.
struct Run {
  enum class Kind : std::uint8_t {
    kData,     // Batch::bytes holds it
    kZero,     // reads as zero, whatever the backing file says
    kBacking,  // leave it to the backing file; without one it reads as zero
  };
  Kind kind = Kind::kData;
  std::uint64_t offset = 0;  // guest bytes
  std::uint64_t length = 0;  // guest bytes

  std::uint64_t end() const noexcept { return offset + length; }
};

// One write that Place decided on and Store carries out.
struct HostWrite {
  Storage* file = nullptr;           // owned by the writer
  std::uint64_t offset = 0;          // host bytes
  std::span<const std::byte> bytes;  // payload; empty: make `zeros` bytes read as zero
  std::uint64_t zeros = 0;
};

// What Encode made of one allocation unit.
struct EncodedUnit {
  std::size_t offset = 0;                             // in Batch::encoded
  std::size_t length = 0;                             // 0: did not shrink, stored as it is
  std::optional<std::uint16_t> phase = std::nullopt;  // as PackedUnit::phase
};

// A contiguous part of the guest disk on its way into an image. The copy fills the first group and keeps it until Store
// is done; the rest belongs to the writer. One batch is reused for many parts, its buffers keep their capacity.
struct Batch {
  std::uint64_t offset = 0;          // guest bytes, a multiple of WriterTraits::batch_alignment
  std::uint64_t length = 0;          // a multiple of batch_alignment too, except at the end of the disk
  std::vector<Run> runs;             // tile [offset, offset + length) in order; neighbours differ in kind
  std::span<const std::byte> bytes;  // guest bytes from `offset` on; holds every kData run, but what may come unseen
                                     // (WriterTraits::looked_at); empty when there is none
  PackedUnits packed;                // units of kData runs that come compressed: `bytes` does not hold them

  std::vector<std::byte> encoded;
  std::vector<EncodedUnit> units;
  std::vector<HostWrite> writes;
};

// Appends a write, joined with the last one where it continues that both in the file and in memory.
void AppendWrite(Batch& batch, Storage& file, std::uint64_t offset, std::span<const std::byte> bytes);
// Appends the making of `length` zeros.
void AppendZeros(Batch& batch, Storage& file, std::uint64_t offset, std::uint64_t length);
// Appends what makes host byte `offset` and those behind it read as `run`, of the batch, does: its bytes, or zeros.
void AppendRun(Batch& batch, Storage& file, std::uint64_t offset, const Run& run);

// Calls `visit` with the parts into which multiples of `unit` guest bytes cut `run`, in order, until one fails.
template <class Visit>
Result<> ForEachPart(const Run& run, std::uint64_t unit, Visit visit) {
  for (std::uint64_t at = run.offset; at < run.end();) {
    const Run part{run.kind, at, std::min(run.end() - at, unit - at % unit)};
    PLATTER_CHECK(visit(part));
    at = part.end();
  }
  return Done{};
}

// Guest bytes from `begin` up to `end`.
struct GuestSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct WriterTraits {
  // Runs start and end at multiples of this many guest bytes (a power of two), except at the end of the disk: a
  // cluster, a subcluster, or the granularity that zeros are looked for with.
  std::uint64_t unit = 512;
  // Batches start at multiples of this many guest bytes (a power of two, a multiple of `unit`): a whole cluster.
  std::uint64_t batch_alignment = 512;
  // A range that no run covered reads as zero: without a backing file kZero and kBacking cost nothing.
  bool starts_zeroed = true;
  // Guest byte g lands on the host at g modulo this (a power of two). 1: elsewhere, or in space that was reserved for
  // it and has to be kept. Decides whether the host can share blocks instead of copying them.
  std::uint64_t host_alignment = 1;
  static constexpr std::uint64_t kSameOffset = std::uint64_t{1} << 62;  // as host_alignment: lands at g
  // What Encode and Place look at: all of the disk, unless the writer says otherwise. Other data may come unseen: Store
  // takes it from Batch::writes without asking what it is, and so the host may move it from file to file.
  GuestSpan looked_at = kWholeDisk;
  static constexpr GuestSpan kWholeDisk{0, ~std::uint64_t{0}};
  static constexpr GuestSpan kNothing{};
  // Such units are taken as they are (Batch::packed).
  std::optional<Packing> packing = std::nullopt;
  // Encode does the heavy work and wants as much memory again as the batch has bytes.
  bool compresses = false;
};

// Takes the content of dirty bitmaps for the new image; asked for before Finish.
class BitmapTarget {
 public:
  virtual ~BitmapTarget() = default;
  // Copies bitmap `index` of `source`. kInvalid for a name that is there already. Requires: same virtual size.
  virtual Result<> CopyBitmap(Bitmaps& source, std::size_t index) = 0;
};

class ImageWriter {
 public:
  virtual ~ImageWriter() = default;
  ImageWriter() = default;
  ImageWriter(const ImageWriter&) = delete;
  ImageWriter& operator=(const ImageWriter&) = delete;

  virtual const WriterTraits& traits() const noexcept = 0;

  virtual Result<> Encode(Batch& batch);
  // Requires: batches come in ascending order and do not overlap; what is left out is as kBacking.
  virtual Result<> Place(Batch& batch) = 0;
  // Carries out Batch::writes; one thread at a time makes zeros, unless they go into a stream.
  virtual Result<> Store(Batch& batch);
  // Requires: every placed batch is stored. The image is valid, and flushed as the cache mode wants, once this
  // succeeds.
  virtual Result<> Finish() = 0;

  virtual BitmapTarget* bitmap_target() noexcept { return nullptr; }

 protected:
  // Makes what the file has of the range read as zero; it does not grow. While other threads are in Store.
  Result<> ClearStored(Storage& file, std::uint64_t offset, std::uint64_t length);

 private:
  std::mutex punch_mutex_;
};

}  // namespace platter
