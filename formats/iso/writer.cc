#include "formats/iso/writer.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "formats/iso/layout.h"
#include "formats/iso/volume.h"

namespace platter::iso {
namespace {

constexpr std::uint64_t kGuestSector = 512;
constexpr std::uint64_t kBatchAlignment = 65536;  // the first batch holds the first volume descriptor whole
static_assert(kBatchAlignment > kDescriptorStart + kSectorSize);
// What a volume is recognised by: the first descriptor's type, identifier and version.
constexpr std::size_t kHeldBack = 8;

Error NoVolume(const std::string& file) {
  return Error(ErrorKind::kInvalid, "the disk is no ISO: its content has no volume descriptor in sector 16")
      .In(file)
      .Try("an ISO of a folder's files is made by 'platter create -f iso --from FOLDER'");
}

// The first descriptor's first bytes are written last: until then the file is no ISO.
class IsoWriter : public ImageWriter {
 public:
  IsoWriter(std::shared_ptr<Storage> storage, std::uint64_t virtual_size, bool fresh)
      : storage_(std::move(storage)), virtual_size_(virtual_size), fresh_(fresh) {
    traits_.unit = kSectorSize;
    traits_.batch_alignment = kBatchAlignment;
    traits_.starts_zeroed = fresh;
    traits_.looked_at = {kDescriptorStart, kDescriptorStart + kSectorSize};
  }

  const WriterTraits& traits() const noexcept override { return traits_; }

  Result<> Place(Batch& batch) override {
    batch.writes.clear();
    for (const Run& run : batch.runs) {
      if (run.kind == Run::Kind::kData) {
        PLATTER_CHECK(PlaceData(batch, run));
      } else if (!fresh_ && run.kind == Run::Kind::kZero) {
        AppendZeros(batch, *storage_, run.offset, run.length);
      }
    }
    return recognised_ ? Result<>(Done{}) : NoVolume(storage_->name());
  }

  Result<> Finish() override {
    if (!recognised_) return NoVolume(storage_->name());
    if (fresh_ && storage_->size() != virtual_size_) PLATTER_CHECK(storage_->Resize(virtual_size_));
    PLATTER_CHECK(storage_->Sync());
    PLATTER_CHECK(storage_->WriteAt(kDescriptorStart, held_back_));
    return storage_->Sync();
  }

 private:
  Result<> PlaceData(Batch& batch, const Run& run) {
    const auto bytes = batch.bytes.subspan(run.offset - batch.offset, run.length);
    if (run.offset > kDescriptorStart || run.end() < kDescriptorStart + kSectorSize) {
      AppendWrite(batch, *storage_, run.offset, bytes);
      return Done{};
    }
    const std::uint64_t before = kDescriptorStart - run.offset;
    recognised_ = IsVolumeDescriptor(bytes.subspan(before, kSectorSize));
    std::ranges::copy(bytes.subspan(before, kHeldBack), held_back_.begin());
    AppendWrite(batch, *storage_, run.offset, bytes.first(before));
    const std::uint64_t after = before + kHeldBack;
    if (!fresh_) AppendZeros(batch, *storage_, kDescriptorStart, kHeldBack);
    AppendWrite(batch, *storage_, run.offset + after, bytes.subspan(after));
    return Done{};
  }

  std::shared_ptr<Storage> storage_;
  std::uint64_t virtual_size_;
  bool fresh_;
  bool recognised_ = false;
  std::array<std::byte, kHeldBack> held_back_{};
  WriterTraits traits_;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  Storage& storage = *request.storage;
  if (request.compress) return Error(ErrorKind::kUnsupported, "ISO images cannot be compressed").In(storage.name());
  const auto size = CheckedAlignUp(request.virtual_size, kGuestSector);
  if (!size) return Error(ErrorKind::kOutOfRange, "the disk is too large").Found(request.virtual_size);
  if (storage.is_device() && storage.size() < *size) {
    return Error(ErrorKind::kInvalid, "the device is too small for the disk")
        .In(storage.name())
        .Found(storage.size())
        .Allowed("at least " + std::to_string(*size) + " bytes");
  }
  return std::unique_ptr<ImageWriter>(std::make_unique<IsoWriter>(request.storage, *size, !storage.is_device()));
}

Result<Measurement> Measure(const MeasureRequest& request) {
  const std::uint64_t size = AlignUp(request.virtual_size, kGuestSector);
  std::array<std::byte, kSectorSize> sector{};
  if (request.source == nullptr || request.source->virtual_size() < kDescriptorStart + kSectorSize) return NoVolume("");
  PLATTER_CHECK(request.source->ReadAt(kDescriptorStart, sector));
  if (!IsVolumeDescriptor(sector)) return NoVolume("");
  return Measurement{.required = size, .fully_allocated = size, .bitmaps = std::nullopt};
}

}  // namespace platter::iso
