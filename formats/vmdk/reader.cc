#include "formats/vmdk/reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "formats/core/forward_storage.h"
#include "formats/vmdk/details.h"
#include "formats/vmdk/passing_reader.h"

namespace platter::vmdk {
namespace {

class VmdkImage : public Image {
 public:
  VmdkImage(std::shared_ptr<Storage> storage, std::vector<ExtentFile> extents, ImageInfo info)
      : storage_(std::move(storage)), extents_(std::move(extents)), info_(std::move(info)) {}

  const ImageInfo& info() const noexcept override { return info_; }

  std::vector<std::shared_ptr<Storage>> files() const override {
    std::vector<std::shared_ptr<Storage>> files = {storage_};
    for (const ExtentFile& extent : extents_) {
      if (extent.storage != nullptr && extent.storage != storage_) files.push_back(extent.storage);
    }
    return files;
  }

  std::optional<Packing> packing() const noexcept override {
    if (extents_.size() != 1 || extents_.front().grains == nullptr) return std::nullopt;
    const GrainTables& tables = extents_.front().grains->tables();
    if (!tables.compressed || !tables.markers) return std::nullopt;
    return Packing{Codec::kZlib, tables.grain_size};
  }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const ExtentFile& extent = ExtentAt(range.offset());
    const std::uint64_t inside = range.offset() - extent.begin;
    const std::uint64_t length = std::min(range.length(), extent.length - inside);
    if (extent.zero()) return LayerExtent{.length = length, .status = BlockStatus::kZero};
    PLATTER_CHECK(CheckThere(extent));
    if (extent.grains == nullptr) {
      return LayerExtent{
          .length = length, .host = HostSpot{extent.storage.get(), extent.offset + inside}, .maybe_hole = true};
    }
    const auto part = PLATTER_TRY(ByteRange::Within(inside, length, extent.length));
    return ToLayerExtent(PLATTER_TRY(extent.grains->At(part)), extent);
  }

  // Only asked where packing() says what there is: of one extent.
  Result<bool> DoReadPacked(ByteRange range, PackedUnits& out) override {
    PLATTER_CHECK(CheckThere(extents_.front()));
    return extents_.front().compressed->ReadPacked(range, out);
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::uint64_t at = range.end() - out.size();
      const ExtentFile& extent = ExtentAt(at);
      const std::uint64_t inside = at - extent.begin;
      const std::uint64_t length = std::min<std::uint64_t>(out.size(), extent.length - inside);
      const auto part = PLATTER_TRY(ByteRange::Within(inside, length, extent.length));
      PLATTER_CHECK(ReadExtent(extent, part, out.first(length)));
      out = out.subspan(length);
    }
    return Done{};
  }

 private:
  static LayerExtent ToLayerExtent(const GrainRun& run, const ExtentFile& extent) {
    LayerExtent layer{.length = run.length};
    switch (run.kind) {
      case GrainKind::kUnallocated:
        layer.status = BlockStatus::kUnallocated;
        break;
      case GrainKind::kZero:
        layer.status = BlockStatus::kZero;
        break;
      case GrainKind::kData:
        layer.host = HostSpot{extent.storage.get(), run.host};
        break;
      case GrainKind::kCompressed:
        layer.compressed = true;
        break;
    }
    return layer;
  }

  // Requires: `guest` inside the disk.
  const ExtentFile& ExtentAt(std::uint64_t guest) const {
    return *std::prev(std::ranges::upper_bound(extents_, guest, {}, &ExtentFile::begin));
  }

  // Extents may be missing when only a description was wanted.
  static Result<> CheckThere(const ExtentFile& extent) {
    if (extent.storage != nullptr) return Done{};
    return Error(ErrorKind::kUnsupported, "the extent's file was not opened").In(extent.line.file);
  }

  static Result<> ReadExtent(const ExtentFile& extent, ByteRange range, std::span<std::byte> out) {
    if (extent.zero()) {
      std::ranges::fill(out, std::byte{0});
      return Done{};
    }
    PLATTER_CHECK(CheckThere(extent));
    if (extent.grains == nullptr) return extent.storage->ReadAt(extent.offset + range.offset(), out);
    while (!out.empty()) {
      const std::uint64_t at = range.end() - out.size();
      const auto rest = PLATTER_TRY(ByteRange::Within(at, out.size(), range.end()));
      const GrainRun run = PLATTER_TRY(extent.grains->At(rest));
      PLATTER_CHECK(ReadRun(extent, run, at, out.first(run.length)));
      out = out.subspan(run.length);
    }
    return Done{};
  }

  static Result<> ReadRun(const ExtentFile& extent, const GrainRun& run, std::uint64_t at, std::span<std::byte> out) {
    if (run.kind == GrainKind::kData) return extent.storage->ReadAt(run.host, out);
    if (run.kind == GrainKind::kCompressed) {
      return extent.compressed->Read(PLATTER_TRY(ByteRange::Within(at, out.size(), extent.length)), out);
    }
    std::ranges::fill(out, std::byte{0});
    return Done{};
  }

  std::shared_ptr<Storage> storage_;
  std::vector<ExtentFile> extents_;
  ImageInfo info_;
};

// The grain size that all extents share, as qemu-img counts: 0 where they differ, or where a flat one is among them.
std::uint64_t CommonGrainSize(const std::vector<ExtentFile>& extents) {
  std::uint64_t size = 0;
  for (const ExtentFile& extent : extents) {
    if (extent.grains == nullptr) return 0;
    const GrainTables& first = extents.front().grains->tables();
    const GrainTables& tables = extent.grains->tables();
    if (tables.grain_size != first.grain_size || tables.compressed != first.compressed) return 0;
    size = tables.grain_size;
  }
  return size;
}

}  // namespace

Result<> DescribeParent(const Descriptor& descriptor, const OpenContext& context, ImageInfo& info) {
  const bool as_qemu = context.dialect == Dialect::kQemu;
  const bool named = descriptor.parent_hint && !descriptor.parent_hint->empty();
  if (!as_qemu && descriptor.parent_cid == kNoParent) return Done{};  // a name that stands there is left over
  if (!named) {
    if (as_qemu || !context.contents) return Done{};
    return Error(ErrorKind::kUnsupported, "the disk has a parent, and does not say which file that is")
        .At("VMDK descriptor", "parentFileNameHint")
        .Found("nothing")
        .Allowed("the name of the file with CID " + CidText(descriptor.parent_cid));
  }
  const std::string& hint = *descriptor.parent_hint;
  std::string name = as_qemu ? hint : PLATTER_TRY(DecodeName(hint, descriptor.encoding));
  info.backing = Reference{Reference::Role::kBacking, std::move(name), "vmdk"};
  info.backing_id = CidText(descriptor.parent_cid);
  return Done{};
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  if (PipeOf(*storage) != nullptr) {
    auto passing = PLATTER_TRY(OpenPassing(storage, context));
    if (passing != nullptr) return passing;
  }
  const Foundation foundation = PLATTER_TRY(ReadFoundation(*storage, context));
  std::vector<ExtentFile> extents = PLATTER_TRY(OpenAllExtents(storage, foundation, context));
  ImageInfo info;
  info.virtual_size = extents.back().end();
  info.allocation_unit = CommonGrainSize(extents);
  info.id = CidText(foundation.descriptor.cid);
  PLATTER_CHECK(DescribeParent(foundation.descriptor, context, info));
  info.specific = Describe(foundation.descriptor, extents);
  info.further = DescribeFurther(foundation.descriptor, extents);
  return std::shared_ptr<Image>(std::make_shared<VmdkImage>(std::move(storage), std::move(extents), std::move(info)));
}

}  // namespace platter::vmdk
