#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "formats/qcow/cluster_map.h"
#include "formats/qcow/inflate.h"
#include "formats/qcow/qcow.h"

namespace platter::qcow {
namespace {

class QcowImage : public Image {
 public:
  QcowImage(std::shared_ptr<Storage> storage, const Header& header, ImageInfo info, const Limits& limits)
      : storage_(std::move(storage)), info_(std::move(info)), map_(storage_, header, limits) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const ClusterRun run = PLATTER_TRY(map_.At(range));
    LayerExtent extent{.length = run.length, .status = BlockStatus::kData};
    if (run.kind == ClusterKind::kUnallocated) extent.status = BlockStatus::kUnallocated;
    if (run.kind == ClusterKind::kData && !info_.encrypted) extent.host = HostSpot{storage_.get(), run.host};
    extent.compressed = run.kind == ClusterKind::kCompressedData;
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    if (info_.encrypted) {
      return Error(ErrorKind::kUnsupported, "image is encrypted: its content cannot be read").In(storage_->name());
    }
    while (!out.empty()) {
      const std::uint64_t at = range.end() - out.size();
      const auto rest = PLATTER_TRY(ByteRange::Within(at, out.size(), range.end()));
      const ClusterRun run = PLATTER_TRY(map_.At(rest));
      PLATTER_CHECK(ReadRun(at, run, out.first(run.length)));
      out = out.subspan(run.length);
    }
    return Done{};
  }

 private:
  Result<> ReadRun(std::uint64_t guest, const ClusterRun& run, std::span<std::byte> out) {
    switch (run.kind) {
      case ClusterKind::kData:
        return storage_->ReadPadded(run.host, out);  // the last cluster of the file may be cut short
      case ClusterKind::kCompressedData:
        return ReadCompressed(guest, out);
      case ClusterKind::kUnallocated:
        break;
    }
    std::ranges::fill(out, std::byte{0});
    return Done{};
  }

  Result<> ReadCompressed(std::uint64_t guest, std::span<std::byte> out) {
    std::vector<std::byte> stream;
    std::vector<std::byte> cluster(info_.allocation_unit);
    while (!out.empty()) {
      const auto rest = PLATTER_TRY(ByteRange::Within(guest, out.size(), info_.virtual_size));
      const ClusterRun run = PLATTER_TRY(map_.ClusterAt(rest));
      stream.resize(run.stored);
      PLATTER_CHECK(storage_->ReadAt(run.host, stream));
      auto inflated = InflateCluster(stream, cluster);
      if (!inflated.ok()) {
        return std::move(inflated)
            .error()
            .At("cluster", "guest offset " + std::to_string(guest), run.host)
            .Found(std::to_string(run.stored) + " bytes")
            .Allowed("a stream that gives " + std::to_string(cluster.size()) + " bytes");
      }
      const auto part = std::span(cluster).subspan(guest & (cluster.size() - 1), run.length);
      std::ranges::copy(part, out.begin());
      guest += run.length;
      out = out.subspan(run.length);
    }
    return Done{};
  }

  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
  ClusterMap map_;
};

Result<ImageInfo> DescribeImage(Storage& storage, const Header& header) {
  ImageInfo info;
  info.virtual_size = header.virtual_size;
  info.allocation_unit = header.cluster_size();
  info.encrypted = header.encrypted;
  if (header.backing_file_offset != 0) {
    std::string name(header.backing_file_size, '\0');
    PLATTER_CHECK(storage.ReadAt(header.backing_file_offset, std::as_writable_bytes(std::span(name))));
    // To qemu it ends with its first zero byte.
    name.resize(std::min(name.find('\0'), name.size()));
    if (!name.empty()) info.backing = Reference{Reference::Role::kBacking, std::move(name), ""};
  }
  return info;
}

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  const std::uint64_t file_size = storage->size();
  std::array<std::byte, HeaderLayout::kSize> bytes{};
  const auto head = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), file_size));
  PLATTER_CHECK(storage->ReadAt(0, head));
  const Header header = PLATTER_TRY(ParseHeader(head, file_size));
  ImageInfo info = PLATTER_TRY(DescribeImage(*storage, header));
  return std::shared_ptr<Image>(
      std::make_shared<QcowImage>(std::move(storage), header, std::move(info), context.limits));
}

}  // namespace platter::qcow
