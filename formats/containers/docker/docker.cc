// The driver of docker archives (`docker save`) and OCI image layouts, in an archive or in a folder.
#include <algorithm>
#include <array>
#include <utility>

#include "formats/containers/container.h"
#include "formats/containers/docker/archive.h"
#include "formats/containers/docker/catalog.h"
#include "formats/containers/docker/describe.h"
#include "formats/containers/docker/findings.h"
#include "formats/containers/docker/inspect.h"
#include "formats/containers/docker/layer.h"
#include "formats/containers/tar/header.h"
#include "formats/core/checked.h"

namespace platter::docker {
namespace {

class ImageArchive : public Container {
 public:
  // `blobs` may refer to `index`, which stays where it is.
  ImageArchive(std::unique_ptr<tar::Index> index, std::unique_ptr<Blobs> blobs, Catalog catalog, const Limits& limits)
      : index_(std::move(index)), blobs_(std::move(blobs)), catalog_(std::move(catalog)), limits_(limits) {
    for (const tar::Member& member : index_->members) {
      info_.members.push_back({tar::PlainName(member.name), tar::TypeName(member.type), member.offset, member.size});
    }
    info_.layers = WrappedLayers(catalog_);
    info_.further = DetailOf(catalog_);
  }

  const ContainerInfo& info() const noexcept override { return info_; }

  Result<std::shared_ptr<Storage>> OpenDisk(std::size_t /*disk*/) override {
    return Error(ErrorKind::kUnsupported, "a container image has layers, and no disk");
  }

  Result<> MeasureLayers() override {
    std::optional<std::uint64_t> total = 0;
    for (std::size_t at = 0; at < catalog_.layers.size(); ++at) {
      auto measure = Measure(catalog_.layers[at]);
      WrappedLayer& layer = info_.layers[at];
      if (measure.ok()) {
        layer.size = measure.value().size;
        layer.compression = CompressionName(measure.value().compression);
        total = total ? CheckedAdd(*total, *layer.size) : total;
        continue;
      }
      if (measure.error().kind() == ErrorKind::kIo) return std::move(measure).error();
      layer.problem = measure.error().Describe();
      total.reset();
    }
    info_.virtual_size = total;
    return Done{};
  }

 private:
  Result<LayerMeasure> Measure(const Layer& layer) {
    const auto stored = PLATTER_TRY(blobs_->Open(layer.file));
    if (stored != nullptr) return MeasureLayer(layer, stored, limits_, LayerOrigin::kOwn);
    return Error(ErrorKind::kIo, "a layer's file has gone");
  }

  std::unique_ptr<tar::Index> index_;
  std::unique_ptr<Blobs> blobs_;
  Catalog catalog_;
  Limits limits_;
  ContainerInfo info_;
};

// Names that such archives alone have: of files that are called after their digest, and the layout's mark.
bool IsTellingName(std::string_view name) noexcept {
  constexpr std::string_view kBlobs = "blobs/sha256/";
  while (name.starts_with("./")) name.remove_prefix(2);
  if (name == kLayoutFile || name == kBlobs) return true;
  if (name.starts_with(kBlobs)) name.remove_prefix(kBlobs.size());
  if (name.starts_with("sha256:")) name.remove_prefix(7);
  constexpr std::size_t kDigits = 64;
  if (name.size() < kDigits || !IsSha256(name.substr(0, kDigits))) return false;
  name.remove_prefix(kDigits);
  constexpr std::array<std::string_view, 4> kEnds = {"", ".json", ".tar", ".tar.gz"};
  return name.starts_with('/') || std::ranges::find(kEnds, name) != kEnds.end();
}

Likeness ProbeArchive(const ProbeInput& input) noexcept {
  if (input.head.size() < tar::kBlock || !tar::ChecksumFits(input.head.first<tar::kBlock>())) return Likeness::kNo;
  for (std::uint64_t at = 0; at + tar::kBlock <= input.head.size();) {
    const auto block = input.head.subspan(at).first<tar::kBlock>();
    const auto size = tar::ParseNumber(tar::kSize.Raw(block));
    if (!tar::ChecksumFits(block) || !size) break;
    if (IsTellingName(tar::kName.Text(block))) return Likeness::kCertain;
    if (*size > input.head.size()) break;
    at += tar::kBlock + AlignUp(*size, tar::kBlock);
  }
  return Likeness::kMaybe;
}

Likeness Probe(const ProbeInput& input) noexcept {
  return LooksLikeIndex(input.head) ? Likeness::kCertain : ProbeArchive(input);
}

Result<std::unique_ptr<Container>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  OpenedArchive opened = PLATTER_TRY(OpenArchive(std::move(storage), context));
  return std::unique_ptr<Container>(std::make_unique<ImageArchive>(std::move(opened.index), std::move(opened.blobs),
                                                                   std::move(opened.catalog), context.limits));
}

}  // namespace

extern const ContainerDriver kDriver;
const ContainerDriver kDriver = {
    .name = "docker",
    .title = "container images (docker save, OCI image layout)",
    .probe = Probe,
    .open = Open,
    .inspect = Inspect,
    .finding_rules = kFindingRules,
    .folder_member = kIndexJson,
};

}  // namespace platter::docker
