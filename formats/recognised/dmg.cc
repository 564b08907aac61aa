// Apple disk images with their trailer, "koly".
#include <algorithm>
#include <array>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/recognised/described_image.h"

namespace platter::dmg {
namespace {

struct Trailer {
  static constexpr std::size_t kSize = 512;
  static constexpr std::string_view kMagic = "koly";
  static constexpr Be<std::uint32_t> kHeaderSize{8};
  static constexpr Be<std::uint64_t> kSectors{492};
};

// Where the trailer starts in a file's last bytes, as qemu looks for it: it may be followed by some that belong to
// nothing, up to the end of the sector behind it.
std::optional<std::size_t> FindTrailer(std::span<const std::byte> tail, std::uint64_t file_size) noexcept {
  constexpr std::size_t kSearched = 512 + 511;
  const std::uint64_t padding = AlignUp(file_size, std::uint64_t{512}) - file_size;
  const std::size_t searched = std::min<std::size_t>(tail.size(), kSearched - padding);
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  const std::size_t at = text.find(Trailer::kMagic, tail.size() - searched);
  if (at == text.npos || at > tail.size() - searched + 511) return std::nullopt;
  return at;
}

Likeness Probe(const ProbeInput& input) noexcept {
  const auto at = FindTrailer(input.tail, input.file_size);
  if (!at) return Likeness::kNo;
  std::array<std::byte, Trailer::kSize> trailer{};
  const auto stored = input.tail.subspan(*at).first(std::min(input.tail.size() - *at, trailer.size()));
  std::ranges::copy(stored, trailer.begin());
  const bool ours = Trailer::kHeaderSize.Decode(trailer.data()) == Trailer::kSize;
  return ours ? Likeness::kCertain : Likeness::kNo;
}

// qemu goes by the file's name, which is no content.
Likeness QemuProbe(const ProbeInput& /*input*/) noexcept { return Likeness::kNo; }

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::vector<std::byte> tail(std::min<std::uint64_t>(storage->size(), ProbeInput::kTail));
  const std::uint64_t start = storage->size() - tail.size();
  PLATTER_CHECK(storage->ReadAt(start, tail));
  const auto at = FindTrailer(tail, storage->size());
  if (!at) return Error(ErrorKind::kNotThisFormat, "Image not in dmg format").At("koly trailer", "magic", start);
  const std::uint64_t place = start + *at;
  std::array<std::byte, Trailer::kSize> bytes{};
  PLATTER_CHECK(storage->ReadPadded(place, bytes));
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
