#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/slice_storage.h"
#include "formats/raw/raw.h"

namespace platter::raw {
namespace {

enum class Preallocation : std::uint8_t { kOff, kFalloc, kFull };

Result<Preallocation> ParsePreallocation(const OptionValues& options) {
  const std::string mode = options.Text("preallocation").value_or("off");
  if (mode == "off") return Preallocation::kOff;
  if (mode == "falloc") return Preallocation::kFalloc;
  if (mode == "full") return Preallocation::kFull;
  return Error(ErrorKind::kInvalid, "invalid preallocation mode").Found(mode).Allowed("off, falloc, full");
}

class RawWriter : public ImageWriter {
 public:
  // `fresh`: what was never written reads as zero.
  RawWriter(std::shared_ptr<Storage> storage, std::uint64_t virtual_size, bool fresh)
      : storage_(std::move(storage)), virtual_size_(virtual_size), fresh_(fresh) {
    traits_.starts_zeroed = fresh;
  }

  const WriterTraits& traits() const noexcept override { return traits_; }

  Result<> Place(Batch& batch) override {
    batch.writes.clear();
    for (const Run& run : batch.runs) {
      if (run.kind == Run::Kind::kData) {
        PlaceData(batch, run);
      } else if (!fresh_) {
        batch.writes.push_back({storage_.get(), run.offset, {}, StoredEnd(run) - run.offset});
      }
    }
    return Done{};
  }

  Result<> Finish() override {
    if (!last_byte_.empty()) PLATTER_CHECK(storage_->WriteAt(virtual_size_ - 1, last_byte_));
    if (fresh_ && storage_->size() != virtual_size_) PLATTER_CHECK(storage_->Resize(virtual_size_));
    return storage_->Sync();
  }

 private:
  std::uint64_t StoredEnd(const Run& run) const { return std::min(run.end(), virtual_size_); }

  // A fresh file reaches its full size only in Finish: the disk's last byte is held back until then.
  void PlaceData(Batch& batch, const Run& run) {
    std::uint64_t end = StoredEnd(run);
    auto bytes = batch.bytes.subspan(run.offset - batch.offset, end - run.offset);
    if (fresh_ && end == virtual_size_) {
      last_byte_.assign(1, bytes.back());
      bytes = bytes.first(bytes.size() - 1);
    }
    if (!bytes.empty()) batch.writes.push_back({storage_.get(), run.offset, bytes, 0});
  }

  std::shared_ptr<Storage> storage_;
  std::uint64_t virtual_size_;
  bool fresh_;
  WriterTraits traits_;
  std::vector<std::byte> last_byte_;
};

Result<> FillWithZeros(Storage& storage, std::uint64_t size) {
  const std::vector<std::byte> zeros(std::uint64_t{1} << 20);
  for (std::uint64_t at = 0; at < size; at += zeros.size()) {
    PLATTER_CHECK(storage.WriteAt(at, std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), size - at))));
  }
  return Done{};
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  Storage& storage = *request.storage;
  if (request.compress) {
    return Error(ErrorKind::kUnsupported, "raw images cannot be compressed").In(storage.name());
  }
  const auto preallocation = PLATTER_TRY(ParsePreallocation(request.options));
  if (storage.is_device() && storage.size() < request.virtual_size) PLATTER_CHECK(storage.Resize(request.virtual_size));
  // The last byte stays out until Finish, so that an interrupted image is too short to pass for a whole one.
  const std::uint64_t reserved = request.virtual_size == 0 ? 0 : request.virtual_size - 1;
  if (preallocation == Preallocation::kFalloc) PLATTER_CHECK(storage.Allocate(0, reserved));
  if (preallocation == Preallocation::kFull) PLATTER_CHECK(FillWithZeros(storage, reserved));
  return std::unique_ptr<ImageWriter>(
      std::make_unique<RawWriter>(request.storage, request.virtual_size, !storage.is_device()));
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  if (request.compress) {
    return Error(ErrorKind::kUnsupported, "raw images cannot be compressed").In(request.storage->name());
  }
  const OptionValues& options = request.context.options;
  std::shared_ptr<Storage> storage = request.storage;
  if (options.Has("offset") || options.Has("size")) {
    const std::uint64_t offset = options.Size("offset", 0);
    const std::uint64_t rest = storage->size() - std::min(offset, storage->size());
    storage = PLATTER_TRY(SliceStorage::Make(storage, offset, options.Size("size", rest)));
  }
  const std::uint64_t size = storage->size();
  return std::unique_ptr<ImageWriter>(std::make_unique<RawWriter>(std::move(storage), size, false));
}

Result<Measurement> Measure(const MeasureRequest& request) {
  const std::uint64_t size = AlignUp(request.virtual_size, kSectorSize);
  return Measurement{.required = size, .fully_allocated = size, .bitmaps = std::nullopt};
}

}  // namespace platter::raw
