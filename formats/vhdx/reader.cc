#include <fmt/format.h>

#include <utility>

#include "formats/core/checked.h"
#include "formats/vhdx/block_map.h"
#include "formats/vhdx/details.h"
#include "formats/vhdx/structure.h"
#include "formats/vhdx/vhdx.h"

namespace platter::vhdx {
namespace {

class Disk : public Image {
 public:
  Disk(std::shared_ptr<const Structure> structure, ImageInfo info, const Limits& limits)
      : structure_(std::move(structure)), info_(std::move(info)), map_(structure_, limits) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {structure_->storage}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const BlockRun run = PLATTER_TRY(map_.At(range));
    LayerExtent extent{.length = run.length, .status = BlockStatus::kUnallocated};
    if (run.kind == BlockKind::kZero) extent.status = BlockStatus::kZero;
    if (run.kind != BlockKind::kData) return extent;
    extent.status = BlockStatus::kData;
    extent.host = HostSpot{structure_->storage.get(), run.host};
    // A block is allocated whole and seldom written whole.
    extent.maybe_hole = true;
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    return ReadMapped(*structure_->storage, range, out);
  }

 private:
  std::shared_ptr<const Structure> structure_;
  ImageInfo info_;
  BlockMap map_;
};

Result<ImageInfo> DescribeImage(const Structure& structure) {
  const Metadata& metadata = structure.metadata;
  ImageInfo info;
  info.virtual_size = metadata.geometry.virtual_size;
  info.allocation_unit = metadata.geometry.block_size;
  info.id = structure.headers.header().data_write.Text();
  if (metadata.parent) {
    for (std::string& path : metadata.parent->Paths()) {
      Reference reference{Reference::Role::kBacking, std::move(path), "vhdx"};
      if (info.backing) {
        info.other_backing.push_back(std::move(reference));
      } else {
        info.backing = std::move(reference);
      }
    }
    info.backing_id = metadata.parent->linkage()->Text();
    if (const auto other = metadata.parent->linkage2()) info.other_backing_id = other->Text();
  }
  info.dirty = structure.dirty();
  info.tracks_dirty = true;
  info.further = PLATTER_TRY(DescribeFurther(structure));
  return info;
}

// As qemu, which writes the file even when it is only asked to read.
Result<> RefuseDirtyAsQemu(const Storage& storage, const OpenContext& context, const HeaderPair& headers) {
  if (context.dialect != Dialect::kQemu || storage.writable() || !headers.header().has_log()) return Done{};
  return Error(ErrorKind::kUnsupported,
               fmt::format("VHDX image file '{}' opened read-only, but contains a log that needs to be replayed",
                           storage.name()))
      .Try("run qemu-img check -r all");
}

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  const HeaderPair headers = PLATTER_TRY(ReadHeaders(*storage));
  PLATTER_CHECK(RefuseDirtyAsQemu(*storage, context, headers));
  Structure structure = PLATTER_TRY(ReadStructure(std::move(storage), Replay::kInMemory, context.limits));
  ImageInfo info = PLATTER_TRY(DescribeImage(structure));
  auto shared = std::make_shared<const Structure>(std::move(structure));
  return std::shared_ptr<Image>(std::make_shared<Disk>(std::move(shared), std::move(info), context.limits));
}

}  // namespace platter::vhdx
