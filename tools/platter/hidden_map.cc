#include "tools/platter/hidden_map.h"

#include <utility>

namespace platter::cli {
namespace {

class HiddenMap : public Image {
 public:
  explicit HiddenMap(std::shared_ptr<Image> image) : image_(std::move(image)) {}

  const ImageInfo& info() const noexcept override { return image_->info(); }
  std::vector<std::shared_ptr<Storage>> files() const override { return image_->files(); }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override { return LayerExtent{.length = range.length()}; }
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return image_->ReadAt(range.offset(), out); }

 private:
  std::shared_ptr<Image> image_;
};

}  // namespace

void HideFromQemu(OpenedChain& chain) {
  for (OpenedLayer& layer : chain.layers) {
    if (layer.driver->map_beyond_qemu) layer.image = std::make_shared<HiddenMap>(std::move(layer.image));
  }
}

}  // namespace platter::cli
