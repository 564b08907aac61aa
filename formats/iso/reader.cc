#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/iso/details.h"
#include "formats/iso/iso.h"
#include "formats/iso/iso_tree.h"
#include "formats/iso/raw_sectors.h"
#include "formats/iso/udf_tree.h"
#include "formats/iso/volume.h"

namespace platter::iso {
namespace {

using Kind = VolumeDescriptor::Kind;

constexpr std::uint64_t kGuestSector = 512;

// As a raw image: the file's bytes are the disk's, rounded up to whole sectors.
class IsoImage : public Image {
 public:
  // `data`: the file, or the user data of its raw sectors.
  IsoImage(std::shared_ptr<Storage> file, std::shared_ptr<Storage> data, std::unique_ptr<FileTree> tree, Detail details)
      : file_(std::move(file)), data_(std::move(data)), tree_(std::move(tree)) {
    info_.virtual_size = AlignUp(data_->size(), kGuestSector);
    info_.specific = std::move(details);
  }

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {file_}; }
  FileTree* file_tree() noexcept override { return tree_.get(); }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const std::uint64_t stored = data_->size();
    if (range.offset() >= stored) return LayerExtent{.length = range.length(), .status = BlockStatus::kZero};
    const DataRun run = PLATTER_TRY(data_->DataMap(range.offset()));
    const bool last = range.offset() + run.length >= stored;
    LayerExtent extent{.length = std::min(last ? info_.virtual_size - range.offset() : run.length, range.length()),
                       .status = run.data ? BlockStatus::kData : BlockStatus::kZero};
    if (data_ == file_) extent.host = HostSpot{file_.get(), range.offset()};
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return data_->ReadPadded(range.offset(), out); }

 private:
  std::shared_ptr<Storage> file_;
  std::shared_ptr<Storage> data_;
  std::unique_ptr<FileTree> tree_;
  ImageInfo info_;
};

std::unique_ptr<FileTree> TreeOf(const Volume& volume, Kind kind, const std::shared_ptr<Storage>& data,
                                 bool rock_ridge) {
  const VolumeDescriptor* descriptor = volume.Find(kind);
  if (descriptor == nullptr || (rock_ridge && !volume.susp)) return nullptr;
  return std::make_unique<IsoTree>(data, *descriptor, rock_ridge ? volume.susp : std::nullopt);
}

std::unique_ptr<FileTree> TreeNamed(const Volume& volume, std::string_view name, const std::shared_ptr<Storage>& data) {
  if (name == "rock-ridge") return TreeOf(volume, Kind::kPrimary, data, true);
  if (name == "joliet") return TreeOf(volume, Kind::kJoliet, data, false);
  if (name == "iso9660-1999") return TreeOf(volume, Kind::kEnhanced, data, false);
  if (name == "iso9660") return TreeOf(volume, Kind::kPrimary, data, false);
  if (name == "udf" && volume.udf) return std::make_unique<UdfTree>(data, *volume.udf);
  return nullptr;
}

// The richest names: POSIX ones, then the longest.
Result<std::unique_ptr<FileTree>> ChooseTree(const Volume& volume, const std::shared_ptr<Storage>& data,
                                             const OptionValues& options) {
  const std::string wanted = options.Text("tree").value_or("auto");
  if (wanted != "auto") {
    if (auto tree = TreeNamed(volume, wanted, data)) return tree;
    return Error(ErrorKind::kInvalid, "the volume has no such tree of names")
        .In(data->name())
        .Found(wanted)
        .Allowed("auto, or those of rock-ridge, udf, joliet, iso9660-1999, iso9660 that the volume has");
  }
  for (const char* name : {"rock-ridge", "udf", "joliet", "iso9660-1999", "iso9660"}) {
    if (auto tree = TreeNamed(volume, name, data)) return tree;
  }
  return std::unique_ptr<FileTree>();
}

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  const std::shared_ptr<Storage> data = PLATTER_TRY(UserData(storage));
  const bool raw_sectors = data != storage;
  const Volume volume = PLATTER_TRY(ReadVolume(data));
  auto tree = PLATTER_TRY(ChooseTree(volume, data, context.options));
  Detail details = PLATTER_TRY(DetailsOf({volume, *data, raw_sectors, tree ? tree->kind() : ""}));
  return std::shared_ptr<Image>(
      std::make_shared<IsoImage>(std::move(storage), data, std::move(tree), std::move(details)));
}

}  // namespace platter::iso
