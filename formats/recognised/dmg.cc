// Apple disk images with their trailer, "koly".
#include <array>

#include "formats/core/bytes.h"
#include "formats/recognised/described_image.h"

namespace platter::dmg {
namespace {

struct Trailer {
  static constexpr std::size_t kSize = 512;
  static constexpr std::string_view kMagic = "koly";
  static constexpr Be<std::uint32_t> kHeaderSize{8};
  static constexpr Be<std::uint64_t> kSectors{492};
};

Likeness Probe(const ProbeInput& input) noexcept {
  if (input.tail.size() < Trailer::kSize) return Likeness::kNo;
  const auto trailer = input.tail.last(Trailer::kSize);
  const bool ours = recognised::StartsWith(trailer, 0, Trailer::kMagic) &&
                    Trailer::kHeaderSize.Decode(trailer.data()) == Trailer::kSize;
  return ours ? Likeness::kCertain : Likeness::kNo;
}

// qemu goes by the file's name, which is no content.
Likeness QemuProbe(const ProbeInput& /*input*/) noexcept { return Likeness::kNo; }

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, Trailer::kSize> bytes{};
  const std::uint64_t place = storage->size() < Trailer::kSize ? 0 : storage->size() - Trailer::kSize;
  PLATTER_CHECK(storage->ReadPadded(place, bytes));
  if (!recognised::StartsWith(bytes, 0, Trailer::kMagic)) {
    return Error(ErrorKind::kNotThisFormat, "Image not in dmg format").At("koly trailer", "magic", place);
  }
  if (context.contents) return recognised::NotRead("dmg", "convert it with qemu-img first");
  const std::uint64_t sectors = Trailer::kSectors.Decode(bytes.data());
  constexpr std::uint64_t kMaxSectors = (std::uint64_t{1} << 63) / 512;
  if (sectors >= kMaxSectors) return recognised::BadField("dmg", "sector_count", place + 492, sectors, "below 2^54");
  ImageInfo info;
  info.tracks_dirty = false;
  info.virtual_size = sectors * 512;
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("dmg", std::move(storage), std::move(info)));
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "dmg",
    .qemu_name = "dmg",
    .title = "Apple disk image",
    .probe = Probe,
    .qemu_probe = QemuProbe,
    .open = Open,
    .described_only = true,
};

}  // namespace platter::dmg
