// Growing disks of the Bochs emulator (Bochs: "Growing" redolog images).
#include <array>

#include "formats/core/bytes.h"
#include "formats/recognised/described_image.h"

namespace platter::bochs {
namespace {

struct Header {
  static constexpr std::size_t kSize = 512;
  static constexpr std::string_view kMagic{"Bochs Virtual HD Image\0", 23};
  static constexpr std::size_t kType = 32;
  static constexpr std::size_t kSubtype = 48;
  static constexpr Le<std::uint32_t> kVersion{64};
  static constexpr Le<std::uint32_t> kCatalog{72};  // entries
  static constexpr Le<std::uint32_t> kExtent{80};   // bytes
  static constexpr Le<std::uint64_t> kDiskV1{84};
  static constexpr Le<std::uint64_t> kDiskV2{88};
  static constexpr std::uint32_t kVersion1 = 0x10000;
  static constexpr std::uint32_t kVersion2 = 0x20000;
};

bool IsOurs(std::span<const std::byte> head) noexcept {
  if (head.size() < Header::kSize || !recognised::StartsWith(head, 0, Header::kMagic)) return false;
  const auto version = Header::kVersion.Decode(head.data());
  return recognised::StartsWith(head, Header::kType, {"Redolog\0", 8}) &&
         recognised::StartsWith(head, Header::kSubtype, {"Growing\0", 8}) &&
         (version == Header::kVersion1 || version == Header::kVersion2);
}

Likeness Probe(const ProbeInput& input) noexcept { return IsOurs(input.head) ? Likeness::kCertain : Likeness::kNo; }

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, Header::kSize> bytes{};
  PLATTER_CHECK(storage->ReadPadded(0, bytes));
  if (!IsOurs(bytes)) {
    return Error(ErrorKind::kNotThisFormat, "Image not in Bochs format").At("bochs header", "magic", 0);
  }
  if (context.contents) return recognised::NotRead("bochs", "convert it with qemu-img first");
  const RecordView<Header> header{std::span<const std::byte, Header::kSize>(bytes)};
  constexpr std::uint32_t kMaxCatalog = 0x100000;
  constexpr std::uint32_t kMaxExtent = 0x800000;
  const auto catalog = header.Get<Header::kCatalog>();
  if (catalog > kMaxCatalog) return recognised::BadField("bochs", "catalog", 72, catalog, "0 to 1048576");
  const auto extent = header.Get<Header::kExtent>();
  if (extent < 512 || !std::has_single_bit(extent) || extent > kMaxExtent) {
    return recognised::BadField("bochs", "extent", 80, extent, "a power of two from 512 to 8388608");
  }
  const bool first = header.Get<Header::kVersion>() == Header::kVersion1;
  const std::uint64_t disk = first ? header.Get<Header::kDiskV1>() : header.Get<Header::kDiskV2>();
  if (disk / extent > catalog) {
    return recognised::BadField("bochs", "disk", first ? 84 : 88, disk, "what the catalog can name");
  }
  ImageInfo info;
  info.tracks_dirty = false;
  info.virtual_size = disk / 512 * 512;
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("bochs", std::move(storage), std::move(info)));
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "bochs",
    .qemu_name = "bochs",
    .title = "Bochs growing disk",
    .probe = Probe,
    .open = Open,
    .described_only = true,
};

}  // namespace platter::bochs
