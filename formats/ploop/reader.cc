#include "formats/ploop/reader.h"

#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/ploop/bat.h"
#include "formats/ploop/details.h"
#include "formats/ploop/extension.h"

namespace platter::ploop {
namespace {

class PloopImage : public Image {
 public:
  PloopImage(std::shared_ptr<Storage> storage, const Header& header, ImageInfo info, const Limits& limits)
      : storage_(std::move(storage)), info_(std::move(info)), bat_(storage_, header, limits) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const ClusterRun run = PLATTER_TRY(bat_.At(range));
    LayerExtent extent{.length = run.length, .status = BlockStatus::kUnallocated};
    if (run.host) {
      extent.status = BlockStatus::kData;
      extent.host = HostSpot{storage_.get(), *run.host};
    }
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return ReadMapped(*storage_, range, out); }

 private:
  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
  Bat bat_;
};

}  // namespace

Result<std::shared_ptr<Image>> OpenFile(std::shared_ptr<Storage> storage, const Limits& limits) {
  const Header header = PLATTER_TRY(ReadHeader(*storage));
  const Extension extension = PLATTER_TRY(ReadExtension(*storage, header, limits));
  ImageInfo info;
  info.virtual_size = header.virtual_size;
  info.tracks_dirty = false;
  info.further = DescribeFurther(header, extension);
  return std::shared_ptr<Image>(std::make_shared<PloopImage>(std::move(storage), header, std::move(info), limits));
}

}  // namespace platter::ploop
