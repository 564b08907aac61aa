// QED, qemu's format between qcow2 and qcow2 version 3 (qemu: docs/interop/qed_spec.rst).
#include <fmt/format.h>

#include <array>
#include <bit>

#include "formats/core/bytes.h"
#include "formats/recognised/described_image.h"

namespace platter::qed {
namespace {

struct Header {
  static constexpr std::size_t kSize = 64;
  static constexpr std::string_view kMagic{"QED\0", 4};
  static constexpr Le<std::uint32_t> kClusterSize{4};
  static constexpr Le<std::uint32_t> kTableSize{8};
  static constexpr Le<std::uint64_t> kFeatures{16};
  static constexpr Le<std::uint64_t> kImageSize{48};
  static constexpr Le<std::uint32_t> kBackingOffset{56};
  static constexpr Le<std::uint32_t> kBackingSize{60};
};
constexpr std::uint64_t kHasBacking = 1;
constexpr std::uint64_t kNeedsCheck = 2;
constexpr std::uint64_t kBackingIsRaw = 4;
constexpr std::uint32_t kLongestName = 1023;

Likeness Probe(const ProbeInput& input) noexcept {
  const bool ours = input.head.size() >= Header::kSize && recognised::StartsWith(input.head, 0, Header::kMagic);
  return ours ? Likeness::kCertain : Likeness::kNo;
}

Result<> Check(const RecordView<Header>& header) {
  const std::uint64_t features = header.Get<Header::kFeatures>();
  if ((features & ~(kHasBacking | kNeedsCheck | kBackingIsRaw)) != 0) {
    return Error(ErrorKind::kUnsupported, "QED image has features that we do not know")
        .At("qed header", "features", 16)
        .Found(features)
        .Allowed("0 to 7");
  }
  const std::uint32_t cluster = header.Get<Header::kClusterSize>();
  if (cluster < 4096 || cluster > (64U << 20) || !std::has_single_bit(cluster)) {
    return recognised::BadField("qed", "cluster_size", 4, cluster, "a power of two from 4096 to 67108864");
  }
  const std::uint32_t table = header.Get<Header::kTableSize>();
  if (table < 1 || table > 16 || !std::has_single_bit(table)) {
    return recognised::BadField("qed", "table_size", 8, table, "1, 2, 4, 8 or 16");
  }
  // What two levels of tables can name.
  const std::uint64_t entries = std::uint64_t{table} * cluster / 8;
  const std::uint64_t clusters = entries * entries;
  const std::uint64_t size = header.Get<Header::kImageSize>();
  if (size % 512 != 0 || size / cluster > clusters) {
    return recognised::BadField("qed", "image_size", 48, size, "a multiple of 512 that the tables can name");
  }
  return Done{};
}

Result<std::optional<Reference>> ReadBacking(Storage& storage, const RecordView<Header>& header) {
  const std::uint64_t features = header.Get<Header::kFeatures>();
  if ((features & kHasBacking) == 0) return std::optional<Reference>{};
  const std::uint32_t offset = header.Get<Header::kBackingOffset>();
  const std::uint32_t size = header.Get<Header::kBackingSize>();
  if (size > kLongestName) {
    return recognised::BadField("qed", "backing_filename_size", 60, size, fmt::format("0 to {}", kLongestName));
  }
  if (!FitsWithin(offset, size, storage.size())) {
    return recognised::BadField("qed", "backing_filename_offset", 56, offset, "a place inside the file");
  }
  Reference reference;
  reference.text.resize(size);
  PLATTER_CHECK(storage.ReadAt(offset, std::as_writable_bytes(std::span(reference.text))));
  if ((features & kBackingIsRaw) != 0) reference.format_hint = "raw";
  return std::optional<Reference>(std::move(reference));
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, Header::kSize> bytes{};
  PLATTER_CHECK(storage->ReadPadded(0, bytes));
  if (!recognised::StartsWith(bytes, 0, Header::kMagic)) {
    return Error(ErrorKind::kNotThisFormat, "Image not in QED format").At("qed header", "magic", 0);
  }
  const RecordView<Header> header(bytes);
  PLATTER_CHECK(Check(header));
  if (context.contents) return recognised::NotRead("qed", "convert it with qemu-img first");
  ImageInfo info;
  info.virtual_size = header.Get<Header::kImageSize>();
  info.allocation_unit = header.Get<Header::kClusterSize>();
  info.dirty = (header.Get<Header::kFeatures>() & kNeedsCheck) != 0;
  info.backing = PLATTER_TRY(ReadBacking(*storage, header));
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("qed", std::move(storage), std::move(info)));
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "qed",
    .qemu_name = "qed",
    .title = "QEMU enhanced disk",
    .probe = Probe,
    .open = Open,
    .described_only = true,
    .can_have_backing = true,
};

}  // namespace platter::qed
