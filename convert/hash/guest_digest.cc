#include "convert/hash/guest_digest.h"

#include <algorithm>
#include <memory>

#include "convert/copy/copy.h"

namespace platter {
namespace {

constexpr std::uint64_t kBatchBytes = std::uint64_t{512} << 10;
// Zeros inside data are looked for in pieces of this many bytes, which do not have to be copied into a queue then.
constexpr std::uint64_t kZeroGranularity = std::uint64_t{64} << 10;
constexpr std::uint64_t kZerosAtOnce = std::uint64_t{64} << 20;

// Hashes what it is given, in order, and writes nothing.
class HashingWriter : public ImageWriter {
 public:
  HashingWriter(DigestSet& digests, std::uint64_t size) : digests_(digests), size_(size) {}

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override {
    UpdateWithBatch(digests_, batch, size_);
    return Done{};
  }
  Result<> Store(Batch& /*batch*/) override { return Done{}; }
  Result<> Finish() override { return Done{}; }

 private:
  DigestSet& digests_;
  std::uint64_t size_;
  // starts_zeroed false: zeros take time here, and come in pieces between which the copy can be cancelled.
  WriterTraits traits_{.unit = 512, .batch_alignment = kBatchBytes, .starts_zeroed = false};
};

bool Cancelled(const HashOptions& options) {
  return options.cancel != nullptr && options.cancel->load(std::memory_order_relaxed);
}

// One piece of a hole, or as much data as the queue takes at once; returns its length. `Digests`: a DigestSet, or a
// stream of a pool.
template <class Digests>
Result<std::uint64_t> AddPiece(Storage& file, std::uint64_t offset, std::uint64_t run_length, bool data,
                               const HashOptions& options, Digests& digests) {
  if (!data) {
    const std::uint64_t length = std::min(run_length, kZerosAtOnce);
    digests.UpdateZeros(length);
    return length;
  }
  const auto room = digests.Buffer();
  const std::uint64_t length = std::min<std::uint64_t>(run_length, room.size());
  if (options.rate != nullptr) options.rate->Admit(length, [&] { return Cancelled(options); });
  PLATTER_CHECK(file.ReadAt(offset, room.first(length)));
  digests.Push(length);
  return length;
}

template <class Digests>
Result<std::vector<DigestValue>> DigestsOf(Storage& file, const HashOptions& options, Digests& digests) {
  const std::uint64_t size = file.size();
  for (std::uint64_t at = 0; at < size;) {
    const DataRun run = PLATTER_TRY(file.DataMap(at));
    const std::uint64_t end = at + std::min(run.length, size - at);
    while (at < end) {
      if (Cancelled(options)) return Error(ErrorKind::kCancelled, "cancelled");
      at += PLATTER_TRY(AddPiece(file, at, end - at, run.data, options, digests));
      if (options.progress) options.progress(at, size);
    }
  }
  return digests.Finish();
}

}  // namespace

void UpdateWithBatch(DigestSet& digests, const Batch& batch, std::uint64_t end) {
  for (const Run& run : batch.runs) {
    if (run.offset >= end) return;
    const std::uint64_t length = std::min(run.length, end - run.offset);
    if (run.kind == Run::Kind::kData) {
      digests.Update(batch.bytes.subspan(run.offset - batch.offset, length));
    } else {
      digests.UpdateZeros(length);
    }
  }
}

Result<std::vector<DigestValue>> GuestDigests(const Chain& chain, const HashOptions& options) {
  const auto digests = PLATTER_TRY(DigestSet::Make(options.algorithms));
  HashingWriter writer(*digests, chain.virtual_size());
  CopyOptions copy;
  copy.workers = options.workers;
  copy.sparse_granularity = kZeroGranularity;
  copy.progress = options.progress;
  copy.cancel = options.cancel;
  const Chain* source = &chain;
  PLATTER_CHECK(Copy(std::span(&source, 1), writer, copy));
  return digests->Finish();
}

Result<std::vector<DigestValue>> FileDigests(Storage& file, const HashOptions& options) {
  const auto digests = PLATTER_TRY(DigestSet::Make(options.algorithms));
  return DigestsOf(file, options, *digests);
}

Result<std::vector<DigestValue>> FileDigests(Storage& file, const HashOptions& options, DigestPool& pool) {
  const auto stream = PLATTER_TRY(pool.Open(options.algorithms));
  return DigestsOf(file, options, *stream);
}

}  // namespace platter
