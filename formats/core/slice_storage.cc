#include "formats/core/slice_storage.h"

#include <algorithm>

#include "formats/core/checked.h"

namespace platter {

Result<std::shared_ptr<SliceStorage>> SliceStorage::Make(std::shared_ptr<Storage> whole, std::uint64_t offset,
                                                         std::uint64_t length) {
  const auto range = PLATTER_TRY(ByteRange::Within(offset, length, whole->size()));
  return std::shared_ptr<SliceStorage>(new SliceStorage(std::move(whole), range.offset(), range.length()));
}

SliceStorage::SliceStorage(std::shared_ptr<Storage> whole, std::uint64_t offset, std::uint64_t length)
    : Storage(whole->name()), whole_(std::move(whole)), offset_(offset), length_(length) {}

Result<> SliceStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  return whole_->ReadAt(offset_ + offset, out);
}

Result<> SliceStorage::DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  return whole_->WriteAt(offset_ + offset, bytes);
}

Result<> SliceStorage::DoResize(std::uint64_t size) {
  if (size == length_) return Done{};
  return Error(ErrorKind::kInvalid, "a part of a file cannot be resized").In(name());
}

Result<> SliceStorage::DoPunch(std::uint64_t offset, std::uint64_t length) {
  return whole_->Punch(offset_ + offset, length);
}

Result<> SliceStorage::DoAllocate(std::uint64_t offset, std::uint64_t length) {
  return whole_->Allocate(offset_ + offset, length);
}

Result<DataRun> SliceStorage::DoDataMap(std::uint64_t offset) {
  DataRun run = PLATTER_TRY(whole_->DataMap(offset_ + offset));
  run.length = std::min(run.length, length_ - offset);
  return run;
}

}  // namespace platter
