#include "formats/ploop/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "formats/core/checked.h"
#include "formats/ploop/check.h"
#include "formats/ploop/reader.h"

namespace platter::ploop {
namespace {

// An image of the type Plain.
class PlainImage : public Image {
 public:
  explicit PlainImage(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {
    info_.virtual_size = AlignDown(storage_->size(), kSectorSize);
  }

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const DataRun run = PLATTER_TRY(storage_->DataMap(range.offset()));
    return LayerExtent{.length = std::min(run.length, range.length()),
                       .status = run.data ? BlockStatus::kData : BlockStatus::kZero,
                       .host = HostSpot{storage_.get(), range.offset()}};
  }
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override { return storage_->ReadAt(range.offset(), out); }

 private:
  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
};

// What the active disk and the snapshots have in common: all images, by part and GUID.
struct OpenedBundle {
  std::shared_ptr<Storage> storage;
  Descriptor descriptor;
  bool contents = true;
  std::vector<std::map<std::string, std::shared_ptr<Image>>> images;  // for each part; those that could be opened
};

// One disk of the bundle: the images of a chain of GUIDs, flattened.
class BundleDisk : public Image {
 public:
  // `layers`: for each part its images, top first.
  BundleDisk(std::shared_ptr<OpenedBundle> bundle, ImageInfo info,
             std::vector<std::vector<std::shared_ptr<Image>>> layers)
      : bundle_(std::move(bundle)), info_(std::move(info)), layers_(std::move(layers)) {}

  const ImageInfo& info() const noexcept override { return info_; }

  std::vector<std::shared_ptr<Storage>> files() const override {
    std::vector<std::shared_ptr<Storage>> all = {bundle_->storage};
    for (const auto& layers : layers_) {
      for (const auto& image : layers) all.push_back(image->files().front());
    }
    return all;
  }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override { return PLATTER_TRY(Find(range)).extent; }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::uint64_t at = range.end() - out.size();
      const auto rest = PLATTER_TRY(ByteRange::Within(at, out.size(), range.end()));
      const Place place = PLATTER_TRY(Find(rest));
      const auto part = out.first(place.extent.length);
      if (place.extent.status == BlockStatus::kData) {
        PLATTER_CHECK(place.image->ReadAt(place.offset, part));
      } else {
        std::ranges::fill(part, std::byte{0});
      }
      out = out.subspan(part.size());
    }
    return Done{};
  }

 private:
  struct Place {
    LayerExtent extent;
    Image* image = nullptr;    // the one that decided
    std::uint64_t offset = 0;  // in it
  };

  Result<Place> Find(ByteRange range) {
    if (!bundle_->contents) {
      return Error(ErrorKind::kUnsupported, "bundle was opened without its images").In(bundle_->storage->name());
    }
    const auto& parts = bundle_->descriptor.parts;
    const auto holds = [&](const StoragePart& part) { return range.offset() < part.end; };
    const auto part = std::ranges::find_if(parts, holds);
    std::uint64_t length = std::min(range.length(), part->end - range.offset());
    const std::uint64_t inside = range.offset() - part->begin;
    for (const auto& image : layers_[static_cast<std::size_t>(part - parts.begin())]) {
      const std::uint64_t size = image->info().virtual_size;
      if (inside >= size) continue;  // the disk has grown since
      LayerExtent extent = PLATTER_TRY(image->Map(inside, std::min(length, size - inside)));
      if (extent.status != BlockStatus::kUnallocated) return Place{extent, image.get(), inside};
      length = extent.length;
    }
    return Place{{.length = length, .status = BlockStatus::kUnallocated}, nullptr, 0};
  }

  std::shared_ptr<OpenedBundle> bundle_;
  ImageInfo info_;
  std::vector<std::vector<std::shared_ptr<Image>>> layers_;
};

Result<std::shared_ptr<Storage>> OpenEntry(const ImageEntry& entry, const Storage& descriptor, ReferenceGate& gate) {
  return gate.Open(Reference{Reference::Role::kExtentFile, entry.file, ""}, descriptor.name());
}

Result<std::shared_ptr<Image>> OpenImage(const ImageEntry& entry, const StoragePart& part, const Storage& descriptor,
                                         const OpenContext& context) {
  auto storage = PLATTER_TRY(OpenEntry(entry, descriptor, *context.gate));
  const std::string name = storage->name();
  auto opened = entry.plain ? Result<std::shared_ptr<Image>>(std::make_shared<PlainImage>(std::move(storage)))
                            : OpenFile(std::move(storage), context.limits);
  if (!opened.ok()) return std::move(opened).error().In(name);
  const std::uint64_t size = opened.value()->info().virtual_size;
  if (size <= part.end - part.begin) return opened;
  return Error(ErrorKind::kCorrupt, "image is larger than its part of the disk")
      .In(name)
      .At("ploop header", "sectors")
      .Found(size / kSectorSize)
      .Allowed(fmt::format("up to {}", (part.end - part.begin) / kSectorSize));
}

// The images of `chain` in every part. kCorrupt, kIo for one that is not there.
Result<std::vector<std::vector<std::shared_ptr<Image>>>> LayersOf(const OpenedBundle& bundle,
                                                                  const std::vector<std::string>& chain) {
  std::vector<std::vector<std::shared_ptr<Image>>> layers;
  for (const auto& images : bundle.images) {
    layers.emplace_back();
    for (const std::string& guid : chain) {
      const auto image = images.find(guid);
      if (image == images.end()) {
        return Error(ErrorKind::kCorrupt, "an image of the disk is missing")
            .In(bundle.storage->name())
            .At("DiskDescriptor.xml", "Image")
            .Found(guid);
      }
      layers.back().push_back(image->second);
    }
  }
  return layers;
}

// Opens what the top needs, and of the rest what can be opened.
Result<> OpenImages(OpenedBundle& bundle, const std::vector<std::string>& top, const OpenContext& context) {
  std::size_t count = 0;
  for (const StoragePart& part : bundle.descriptor.parts) {
    auto& images = bundle.images.emplace_back();
    for (const ImageEntry& entry : part.images) {
      if (++count > std::size_t{context.limits.chain_depth} * 4) {
        return Error(ErrorKind::kLimit, "bundle has too many images").In(bundle.storage->name());
      }
      auto image = OpenImage(entry, part, *bundle.storage, context);
      if (image.ok()) {
        images[entry.guid] = std::move(image).value();
      } else if (std::ranges::find(top, entry.guid) != top.end()) {
        return std::move(image).error().While("opening an image of " + bundle.storage->name());
      }
    }
  }
  return Done{};
}

class BundleSnapshots : public Snapshots {
 public:
  BundleSnapshots(std::shared_ptr<OpenedBundle> bundle, ImageInfo info)
      : bundle_(std::move(bundle)), info_(std::move(info)) {
    for (const Shot& shot : bundle_->descriptor.shots) {
      if (shot.guid == bundle_->descriptor.top) continue;
      SnapshotInfo snapshot;
      snapshot.id = std::to_string(infos_.size() + 1);
      snapshot.name = shot.guid;
      snapshot.virtual_size = info_.virtual_size;
      infos_.push_back(std::move(snapshot));
    }
  }

  const std::vector<SnapshotInfo>& snapshots() const noexcept override { return infos_; }

  Result<std::shared_ptr<Image>> OpenSnapshot(std::size_t index) override {
    if (index >= infos_.size()) return Error(ErrorKind::kOutOfRange, "no such snapshot").Found(index);
    const auto chain = PLATTER_TRY(ChainOf(bundle_->descriptor, infos_[index].name));
    auto layers = PLATTER_TRY(LayersOf(*bundle_, chain));
    return std::shared_ptr<Image>(std::make_shared<BundleDisk>(bundle_, info_, std::move(layers)));
  }

 private:
  std::shared_ptr<OpenedBundle> bundle_;
  ImageInfo info_;
  std::vector<SnapshotInfo> infos_;
};

class ActiveDisk : public BundleDisk {
 public:
  ActiveDisk(const std::shared_ptr<OpenedBundle>& bundle, const ImageInfo& info,
             std::vector<std::vector<std::shared_ptr<Image>>> layers)
      : BundleDisk(bundle, info, std::move(layers)), snapshots_(bundle, info) {}

  Snapshots* snapshots() noexcept override { return &snapshots_; }

 private:
  BundleSnapshots snapshots_;
};

ImageInfo DescribeBundle(const Descriptor& descriptor) {
  Detail::List files;
  for (const StoragePart& part : descriptor.parts) {
    for (const ImageEntry& image : part.images) {
      Detail entry;
      entry.Add("file", image.file).Add("guid", image.guid).Add("type", image.plain ? "plain" : "expandable");
      files.push_back(std::move(entry));
    }
  }
  ImageInfo info;
  info.virtual_size = descriptor.virtual_size;
  info.tracks_dirty = false;
  info.further.Add("bundle-images", std::move(files)).Add("top-guid", descriptor.top);
  return info;
}

}  // namespace

Result<bool> IsBundle(Storage& storage) {
  constexpr std::uint64_t kProbedBytes = 4096;
  std::vector<std::byte> head(std::min(storage.size(), kProbedBytes));
  PLATTER_CHECK(storage.ReadAt(0, head));
  return LooksLikeDescriptor(head);
}

Result<Descriptor> ReadDescriptor(Storage& storage, const Limits& limits) {
  if (storage.size() > limits.metadata_bytes) {
    return Error(ErrorKind::kLimit, "descriptor is too large").In(storage.name()).Found(storage.size());
  }
  std::vector<std::byte> text(storage.size());
  PLATTER_CHECK(storage.ReadAt(0, text));
  return ParseDescriptor(text, limits);
}

Result<std::shared_ptr<Image>> OpenBundle(std::shared_ptr<Storage> storage, const OpenContext& context) {
  auto bundle = std::make_shared<OpenedBundle>();
  bundle->storage = std::move(storage);
  bundle->descriptor = PLATTER_TRY(ReadDescriptor(*bundle->storage, context.limits));
  bundle->contents = context.contents;
  const auto chain = PLATTER_TRY(ChainOf(bundle->descriptor, bundle->descriptor.top));
  std::vector<std::vector<std::shared_ptr<Image>>> layers;
  if (context.contents) {
    PLATTER_CHECK(OpenImages(*bundle, chain, context));
    layers = PLATTER_TRY(LayersOf(*bundle, chain));
  }
  const ImageInfo info = DescribeBundle(bundle->descriptor);
  return std::shared_ptr<Image>(std::make_shared<ActiveDisk>(bundle, info, std::move(layers)));
}

Result<CheckReport> CheckBundle(const CheckRequest& request) {
  const Descriptor descriptor = PLATTER_TRY(ReadDescriptor(*request.storage, request.context.limits));
  CheckReport sum;
  for (const StoragePart& part : descriptor.parts) {
    for (const ImageEntry& entry : part.images) {
      if (entry.plain) continue;
      CheckRequest one = request;
      one.storage = PLATTER_TRY(OpenEntry(entry, *request.storage, *request.context.gate));
      one.log = [&](const std::string& line) { request.log(fmt::format("{}: {}", entry.file, line)); };
      const auto shot = std::ranges::find(descriptor.shots, entry.guid, &Shot::guid);
      const bool above_another = shot != descriptor.shots.end() && shot->parent != kNullGuid;
      const CheckReport report = PLATTER_TRY(CheckFile(one, above_another));
      sum.corruptions += report.corruptions;
      sum.leaks += report.leaks;
      sum.corruptions_fixed += report.corruptions_fixed;
      sum.leaks_fixed += report.leaks_fixed;
      sum.image_end_offset += report.image_end_offset;
      sum.total_clusters += report.total_clusters;
      sum.allocated_clusters += report.allocated_clusters;
      sum.fragmented_clusters += report.fragmented_clusters;
    }
  }
  return sum;
}

}  // namespace platter::ploop
