#include <utility>

#include "formats/vhd/block_map.h"
#include "formats/vhd/details.h"
#include "formats/vhd/identity.h"
#include "formats/vhd/locate.h"
#include "formats/vhd/parents.h"
#include "formats/vhd/vhd.h"

namespace platter::vhd {
namespace {

class FixedImage : public Image {
 public:
  FixedImage(std::shared_ptr<Storage> storage, ImageInfo info) : storage_(std::move(storage)), info_(std::move(info)) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    return LayerExtent{.length = range.length(),
                       .status = BlockStatus::kData,
                       .host = HostSpot{storage_.get(), range.offset()},
                       .maybe_hole = true};
  }
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    return storage_->ReadPadded(range.offset(), out);
  }

 private:
  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
};

class SparseImage : public Image {
 public:
  // `bitmaps`: as BlockMap. `has_parent`: what is not stored is the parent's business; otherwise it is zero.
  SparseImage(std::shared_ptr<Storage> storage, const Headers& headers, ImageInfo info, bool bitmaps, bool has_parent,
              const Limits& limits)
      : storage_(std::move(storage)),
        info_(std::move(info)),
        absent_(has_parent ? BlockStatus::kUnallocated : BlockStatus::kZero),
        map_(storage_, *headers.sparse, headers.virtual_size, bitmaps, limits) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }
  BlockMap& map() noexcept { return map_; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const BlockRun run = PLATTER_TRY(map_.At(range));
    LayerExtent extent{.length = run.length, .status = absent_};
    if (run.stored) {
      extent.status = BlockStatus::kData;
      extent.host = HostSpot{storage_.get(), run.host};
    }
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return ReadMapped(*storage_, range, out); }

 private:
  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
  BlockStatus absent_;
  BlockMap map_;
};

Result<ImageInfo> DescribeImage(Storage& storage, const Headers& headers, Dialect dialect) {
  ImageInfo info;
  info.virtual_size = headers.virtual_size;
  info.allocation_unit = headers.sparse ? headers.sparse->block_size : 0;
  info.id = FormatId(headers.footer.id);
  info.further = DescribeFurther(headers);
  if (!headers.footer.differencing() || dialect == Dialect::kQemu) return info;
  auto parents = PLATTER_TRY(ParentReferences(storage, *headers.sparse));
  if (parents.empty()) {
    return Error(ErrorKind::kCorrupt, "a differencing image that does not name its parent")
        .At("dynamic disk header", "parent locators", headers.footer.data_offset + SparseLayout::kParentLocators);
  }
  info.backing = parents.front();
  info.other_backing.assign(parents.begin() + 1, parents.end());
  info.backing_id = FormatId(headers.sparse->parent_id);
  return info;
}

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  const Headers headers = PLATTER_TRY(LoadHeaders(*storage, context.options, context.dialect));
  ImageInfo info = PLATTER_TRY(DescribeImage(*storage, headers, context.dialect));
  if (!headers.sparse) return std::shared_ptr<Image>(std::make_shared<FixedImage>(std::move(storage), std::move(info)));
  const bool as_qemu = context.dialect == Dialect::kQemu;
  auto image = std::make_shared<SparseImage>(std::move(storage), headers, std::move(info), !as_qemu,
                                             !as_qemu && headers.footer.differencing(), context.limits);
  // A table that is too large to be held is left alone when nobody will read the disk: it may still be arriving.
  const std::uint64_t table_bytes = std::uint64_t{headers.sparse->table_entries} * kTableEntrySize;
  if (context.contents || as_qemu || table_bytes <= context.limits.metadata_bytes) {
    PLATTER_CHECK(image->map().CheckBlocks(as_qemu));
  }
  return std::shared_ptr<Image>(std::move(image));
}

}  // namespace platter::vhd
