#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/slice_storage.h"
#include "formats/raw/raw.h"

namespace platter::raw {
namespace {

class RawImage : public Image {
 public:
  explicit RawImage(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {
    info_.virtual_size = AlignUp(storage_->size(), kSectorSize);
  }

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const std::uint64_t stored = storage_->size();
    if (range.offset() >= stored) return LayerExtent{.length = range.length(), .status = BlockStatus::kZero};
    const DataRun run = PLATTER_TRY(storage_->DataMap(range.offset()));
    // The rest of the last sector belongs to the run that ends with the file.
    const bool last = range.offset() + run.length >= stored;
    const std::uint64_t length = last ? info_.virtual_size - range.offset() : run.length;
    return LayerExtent{.length = std::min(length, range.length()),
                       .status = run.data ? BlockStatus::kData : BlockStatus::kZero,
                       .host = HostSpot{storage_.get(), range.offset()}};
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    return storage_->ReadPadded(range.offset(), out);
  }

 private:
  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
};

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  const std::uint64_t offset = context.options.Size("offset", 0);
  if (!context.options.Has("offset") && !context.options.Has("size")) {
    return std::shared_ptr<Image>(std::make_shared<RawImage>(std::move(storage)));
  }
  const std::uint64_t file_size = storage->size();
  const std::uint64_t rest = file_size - std::min(offset, file_size);
  auto slice = PLATTER_TRY(SliceStorage::Make(std::move(storage), offset, context.options.Size("size", rest)));
  return std::shared_ptr<Image>(std::make_shared<RawImage>(std::move(slice)));
}

}  // namespace platter::raw
