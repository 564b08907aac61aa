// The driver of compressed files: one disk, of which nothing is said but its bytes.
#include <utility>

#include "formats/containers/codec/unpacked_storage.h"
#include "formats/containers/compressed/writer.h"
#include "formats/containers/container.h"

namespace platter::compressed {
namespace {

// The name without the end that the compression gave it: "disk.qcow2" of "/a/disk.qcow2.gz".
std::string InnerName(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  for (const std::string_view end : {".gz", ".bz2", ".xz", ".zst"}) {
    if (name.size() > end.size() && name.ends_with(end)) return name.substr(0, name.size() - end.size());
  }
  return name;
}

WrappedDisk DiskOf(const Storage& storage, codec::Compression compression) {
  WrappedDisk disk;
  disk.id = "disk";
  disk.file = InnerName(storage.name());
  disk.stored_size = storage.size();
  disk.compression = codec::CompressionName(compression);
  return disk;
}

Result<codec::Compression> CompressionOf(Storage& storage) {
  const auto compression = PLATTER_TRY(codec::FindCompression(storage));
  if (!compression) return Error(ErrorKind::kNotThisFormat, "not a compressed file").In(storage.name());
  return *compression;
}

class Wrapping : public Container {
 public:
  explicit Wrapping(std::shared_ptr<codec::UnpackedStorage> unpacked, WrappedDisk disk)
      : unpacked_(std::move(unpacked)) {
    info_.further.Add("compression", disk.compression).Add("unpacked-size", unpacked_->size());
    info_.disks.push_back(std::move(disk));
  }

  const ContainerInfo& info() const noexcept override { return info_; }
  Result<std::shared_ptr<Storage>> OpenDisk(std::size_t /*disk*/) override {
    return std::shared_ptr<Storage>(unpacked_);
  }

 private:
  std::shared_ptr<codec::UnpackedStorage> unpacked_;
  ContainerInfo info_;
};

Likeness Probe(const ProbeInput& input) noexcept {
  return codec::FindCompression(input.head) ? Likeness::kCertain : Likeness::kNo;
}

Result<std::unique_ptr<Container>> Open(std::shared_ptr<Storage> storage, const OpenContext& /*context*/) {
  const codec::Compression compression = PLATTER_TRY(CompressionOf(*storage));
  WrappedDisk disk = DiskOf(*storage, compression);
  auto unpacked =
      PLATTER_TRY(codec::UnpackedStorage::Make(std::move(storage), compression, codec::OwnBound(compression)));
  return std::unique_ptr<Container>(std::make_unique<Wrapping>(std::move(unpacked), std::move(disk)));
}

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, bool /*whole*/,
                 ContainerInspection& inspection) {
  const codec::Compression compression = PLATTER_TRY(CompressionOf(*storage));
  WrappedDisk disk = DiskOf(*storage, compression);
  disk.file = disk.id;  // what is said of an upload does not depend on what it is called
  inspection.disks.push_back({std::move(disk), storage});
  return Done{};
}

}  // namespace

extern const ContainerDriver kDriver;
const ContainerDriver kDriver = {
    .name = "compressed",
    .title = "a compressed disk image (gzip, bzip2, xz, zstd)",
    .probe = Probe,
    .open = Open,
    .inspect = Inspect,
    .finding_rules = codec::kFindingRules,
    .yields_to_content = true,
    .new_disk_format = "raw",
    .create = CreateStream,
    .create_options = kCreateOptionSpecs,
};

}  // namespace platter::compressed
