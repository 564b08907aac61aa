#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/preallocation.h"
#include "formats/core/slice_storage.h"
#include "formats/raw/raw.h"

namespace platter::raw {
namespace {

// What the host's allocator is asked to hand out at least at once, as qemu asks.
constexpr std::uint64_t kDefaultExtentSizeHint = std::uint64_t{1} << 20;

Result<Preallocation> PreallocationFrom(const OptionValues& options) {
  const std::string mode = options.Text("preallocation").value_or("off");
  if (const auto preallocation = PreallocationOf(mode)) return *preallocation;
  return Error(ErrorKind::kInvalid, "Unsupported preallocation mode").Found(mode).Allowed("off, falloc, full");
}

class RawWriter : public ImageWriter {
 public:
  // `fresh`: what was never written reads as zero. `reserved`: so is the space for all of it.
  RawWriter(std::shared_ptr<Storage> storage, std::uint64_t virtual_size, bool fresh, bool reserved)
      : storage_(std::move(storage)), virtual_size_(virtual_size), fresh_(fresh && !storage_->is_stream()) {
    traits_.starts_zeroed = fresh_;
    if (fresh_ && !reserved) traits_.host_alignment = WriterTraits::kSameOffset;
    traits_.looked_at = WriterTraits::kNothing;
    if (fresh_ && virtual_size_ != 0) traits_.looked_at = {virtual_size_ - kSectorSize, virtual_size_};
  }

  const WriterTraits& traits() const noexcept override { return traits_; }

  Result<> Place(Batch& batch) override {
    batch.writes.clear();
    // A stream takes every byte: nothing may be left out.
    const bool stream = storage_->is_stream();
    if (stream && batch.offset > position_) AppendZeros(batch, *storage_, position_, batch.offset - position_);
    for (const Run& run : batch.runs) {
      if (run.kind == Run::Kind::kData) {
        PlaceData(batch, run);
      } else if (!fresh_ && (stream || run.kind == Run::Kind::kZero)) {
        AppendZeros(batch, *storage_, run.offset, run.length);
      }
    }
    position_ = batch.offset + batch.length;
    return Done{};
  }

  Result<> Finish() override {
    if (!tail_.empty()) PLATTER_CHECK(storage_->WriteAt(virtual_size_ - kSectorSize, tail_));
    const bool grows = fresh_ || storage_->is_stream();
    if (grows && storage_->size() != virtual_size_) PLATTER_CHECK(storage_->Resize(virtual_size_));
    return storage_->Sync();
  }

 private:
  // A fresh file reaches its full size only in Finish: the disk's last sector is held back until then.
  void PlaceData(Batch& batch, const Run& run) {
    auto bytes = batch.bytes.subspan(run.offset - batch.offset, run.length);
    if (fresh_ && run.end() == virtual_size_) {
      const auto tail = bytes.last(kSectorSize);
      tail_.assign(tail.begin(), tail.end());
      bytes = bytes.first(bytes.size() - kSectorSize);
    }
    AppendWrite(batch, *storage_, run.offset, bytes);
  }

  std::shared_ptr<Storage> storage_;
  std::uint64_t virtual_size_;
  bool fresh_;
  WriterTraits traits_;
  std::vector<std::byte> tail_;
  std::uint64_t position_ = 0;  // guest bytes: everything below is placed
};

// Wishes to the host's file system; one that does not know them ignores them, as qemu does. Both want an empty file.
Result<> ApplyFileHints(Storage& storage, const OptionValues& options) {
  if (storage.fd() < 0 || storage.is_device()) return Done{};
  PLATTER_CHECK(storage.Resize(0));
  const std::uint64_t hint = options.Size("extent_size_hint", kDefaultExtentSizeHint);
  fsxattr attributes{};
  if (hint != 0 && ioctl(storage.fd(), FS_IOC_FSGETXATTR, &attributes) == 0) {
    attributes.fsx_xflags |= FS_XFLAG_EXTSIZE;
    attributes.fsx_extsize = static_cast<std::uint32_t>(hint);
    (void)ioctl(storage.fd(), FS_IOC_FSSETXATTR, &attributes);
  }
  int flags = 0;
  if (options.Flag("nocow", false) && ioctl(storage.fd(), FS_IOC_GETFLAGS, &flags) == 0) {
    flags |= FS_NOCOW_FL;
    (void)ioctl(storage.fd(), FS_IOC_SETFLAGS, &flags);
  }
  return Done{};
}

Result<std::shared_ptr<Storage>> PartOf(std::shared_ptr<Storage> storage, const OptionValues& options) {
  if (!options.Has("offset") && !options.Has("size")) return storage;
  const std::uint64_t offset = options.Size("offset", 0);
  const std::uint64_t rest = storage->size() - std::min(offset, storage->size());
  return std::shared_ptr<Storage>(
      PLATTER_TRY(SliceStorage::Make(std::move(storage), offset, options.Size("size", rest))));
}

Error RefuseCompression(const Storage& storage) {
  return Error(ErrorKind::kUnsupported, "raw images cannot be compressed").In(storage.name());
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  Storage& storage = *request.storage;
  if (request.compress) return RefuseCompression(storage);
  const auto preallocation = PLATTER_TRY(PreallocationFrom(request.options));
  const auto size = CheckedAlignUp(request.virtual_size, kSectorSize);
  if (!size) return Error(ErrorKind::kOutOfRange, "the disk is too large").Found(request.virtual_size);
  if (storage.is_device() && storage.size() < *size) {
    return Error(ErrorKind::kInvalid, "the device is too small for the disk")
        .In(storage.name())
        .Found(storage.size())
        .Allowed("at least " + std::to_string(*size) + " bytes");
  }
  if (storage.is_device()) {
    // What was on it must not be taken for an image's header: nothing else may be written.
    const std::array<std::byte, kSectorSize> zeros{};
    if (*size != 0) PLATTER_CHECK(storage.WriteAt(0, zeros));
  } else if (storage.fd() >= 0) {
    // A size that the host does not have is refused before anything is changed.
    PLATTER_CHECK(storage.Resize(*size));
  }
  PLATTER_CHECK(ApplyFileHints(storage, request.options));
  // The last sector stays out until Finish, so that an interrupted image is too short to pass for a whole one: a file's
  // size is rounded up to whole sectors when it is opened.
  PLATTER_CHECK(Preallocate(storage, preallocation, 0, *size == 0 ? 0 : *size - kSectorSize));
  return std::unique_ptr<ImageWriter>(
      std::make_unique<RawWriter>(request.storage, *size, !storage.is_device(), preallocation != Preallocation::kOff));
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  if (request.compress) return RefuseCompression(*request.storage);
  auto storage = PLATTER_TRY(PartOf(request.storage, request.context.options));
  const std::uint64_t size = AlignUp(storage->size(), kSectorSize);
  return std::unique_ptr<ImageWriter>(std::make_unique<RawWriter>(std::move(storage), size, false, false));
}

Result<Measurement> Measure(const MeasureRequest& request) {
  const std::uint64_t size = AlignUp(request.virtual_size, kSectorSize);
  return Measurement{.required = size, .fully_allocated = size, .bitmaps = std::nullopt};
}

}  // namespace platter::raw
