#include "convert/docker/flatten.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "convert/docker/layered_tree.h"
#include "formats/containers/docker/unpacked_layers.h"

namespace platter::docker {
namespace {

constexpr std::uint64_t kTreeRoom = 8;  // times Limits::metadata_bytes

class LayerContent : public ext::ContentSource {
 public:
  explicit LayerContent(std::unique_ptr<UnpackedLayers> layers) : layers_(std::move(layers)) {}
  Result<> ReadAt(std::uint32_t source, std::uint64_t offset, std::span<std::byte> out) override {
    return layers_->ReadAt(source, offset, out);
  }

 private:
  std::unique_ptr<UnpackedLayers> layers_;
};

// The first 16 bytes of the manifest's digest, or of the topmost layer's, marked as a UUID of our own (RFC 9562,
// version 8): the same image makes the same file system.
std::array<std::uint8_t, 16> UuidOf(const Catalog& catalog, const Image& image) {
  std::string hex(32, '0');
  if (image.manifest) {
    hex = image.manifest->hex;
  } else if (image.config_digest) {
    hex = image.config_digest->hex;
  } else if (!image.layers.empty()) {
    hex = catalog.layers[image.layers.back()].diff_id.hex;
  }
  std::array<std::uint8_t, 16> uuid{};
  for (std::size_t at = 0; at < uuid.size(); ++at) {
    std::from_chars(hex.data() + 2 * at, hex.data() + 2 * at + 2, uuid[at], 16);
  }
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0FU) | 0x80U);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3FU) | 0x80U);
  return uuid;
}

// When the image was made, as its config says ("2026-01-02T03:04:05.6Z"); 1 where it says nothing that a file system
// can believe.
std::int64_t TimeOf(const ImageConfig& config) {
  const std::string& text = config.created;
  constexpr std::size_t kShortest = 19;
  if (text.size() < kShortest) return 1;
  const auto number = [&](std::size_t at, std::size_t length) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  using std::chrono::day;
  using std::chrono::month;
  using std::chrono::year;
  const std::chrono::year_month_day date{year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                                         day(static_cast<unsigned>(number(8, 2)))};
  if (!date.ok()) return 1;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = days * 86400 + number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  // fsck does not believe in file systems from the future.
  return seconds > now.count() ? 1 : std::max<std::int64_t>(seconds, 1);
}

Result<> LayOver(const Layer& layer, std::shared_ptr<Storage> stored, UnpackedLayers& layers, LayeredTree& tree) {
  tree.BeginLayer();
  tar::Scanner scanner([&](const tar::FullMember& member) { return tree.Apply(member); });
  PLATTER_CHECK(
      layers.Add(layer, std::move(stored), [&](std::span<const std::byte> piece) { return scanner.Take(piece); }));
  return scanner.Finish();
}

}  // namespace

Result<Flattened> Flatten(const Catalog& catalog, const Image& image, Blobs& blobs, const FlattenRequest& request) {
  LayeredTree layered(request.limits.metadata_bytes * kTreeRoom);
  auto layers = std::make_unique<UnpackedLayers>(request.limits);
  for (const std::size_t number : image.layers) {
    const Layer& layer = catalog.layers[number];
    auto stored = PLATTER_TRY(blobs.Open(layer.file));
    if (stored == nullptr) return Error(ErrorKind::kIo, "a layer's file has gone").In(layer.file);
    auto done = LayOver(layer, std::move(stored), *layers, layered);
    if (!done.ok()) return std::move(done).error().In(layer.file);
  }
  const ext::Tree& tree = layered.tree();
  Flattened flattened;
  for (std::uint32_t inode = 0; inode < tree.inode_bound(); ++inode) {
    if (!tree.has_inode(inode)) continue;
    ++flattened.files;
    flattened.bytes += tree.inode_at(inode).size;
  }
  ext::VolumeRequest volume;
  volume.size = request.size;
  volume.label = request.label;
  volume.uuid = UuidOf(catalog, image);
  volume.made = TimeOf(image.config);
  flattened.volume = PLATTER_TRY(ext::MakeVolume(tree, volume, std::make_shared<LayerContent>(std::move(layers))));
  return flattened;
}

}  // namespace platter::docker
