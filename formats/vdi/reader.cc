#include "formats/vdi/reader.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/vdi/block_map.h"
#include "formats/vdi/details.h"
#include "formats/vdi/vdi.h"

namespace platter::vdi {
namespace {

class VdiImage : public Image {
 public:
  VdiImage(std::shared_ptr<Storage> storage, const Header& header, ImageInfo info, const Limits& limits)
      : storage_(std::move(storage)), type_(header.type), info_(std::move(info)), map_(storage_, header, limits) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const BlockRun run = PLATTER_TRY(map_.At(range));
    LayerExtent extent{.length = run.length, .status = BlockStatus::kZero};
    if (run.kind == BlockKind::kData) {
      extent.status = BlockStatus::kData;
      extent.host = HostSpot{storage_.get(), run.host};
      extent.maybe_hole = type_ == ImageType::kStatic;
    } else if (run.kind == BlockKind::kUnallocated && info_.backing_search) {
      extent.status = BlockStatus::kUnallocated;
    }
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return ReadMapped(*storage_, range, out); }

 private:
  std::shared_ptr<Storage> storage_;
  ImageType type_;
  ImageInfo info_;
  BlockMap map_;
};

ImageInfo DescribeImage(const Header& header) {
  ImageInfo info;
  info.virtual_size = header.virtual_size;
  info.allocation_unit = header.block_size;
  info.id = ToText(header.creation_uuid);
  info.further = DescribeFurther(header);
  if (header.has_parent()) {
    info.backing_id = ToText(header.linkage_uuid);
    // VirtualBox keeps children in a folder beside their parent.
    info.backing_search = BackingSearch{{".", ".."}, ".vdi", "vdi"};
  }
  return info;
}

}  // namespace

Result<Header> ReadHeader(Storage& storage, Dialect dialect) {
  const std::uint64_t file_size = storage.size();
  std::array<std::byte, kMaxHeaderSize> bytes{};
  // The signature tells the format, wherever the file ends behind it.
  const auto head = std::span(bytes).first(std::clamp<std::uint64_t>(file_size, PreHeader::kSize, bytes.size()));
  PLATTER_CHECK(storage.ReadPadded(0, head));
  return ParseHeader(head, file_size, dialect);
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  const Header header = PLATTER_TRY(ReadHeader(*storage, context.dialect));
  return std::shared_ptr<Image>(
      std::make_shared<VdiImage>(std::move(storage), header, DescribeImage(header), context.limits));
}

}  // namespace platter::vdi
