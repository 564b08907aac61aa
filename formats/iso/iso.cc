#include "formats/iso/iso.h"

#include <array>

#include "formats/core/checked.h"
#include "formats/iso/author.h"
#include "formats/iso/check.h"
#include "formats/iso/inspect.h"
#include "formats/iso/layout.h"
#include "formats/iso/raw_sectors.h"
#include "formats/iso/volume.h"
#include "formats/iso/writer.h"

namespace platter::iso {
namespace {

constexpr std::array<std::string_view, 3> kExtensions = {"iso", "udf", "bin"};

constexpr std::array kOpenOptions = {
    OptionSpec{"tree", OptionType::kText, "whose names to show: auto, rock-ridge, udf, joliet, iso9660-1999, iso9660"},
};

constexpr std::array kCreateOptions = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
};

constexpr std::array kAuthorOptions = {
    OptionSpec{"volume_id", OptionType::kText, "the volume's name, up to 32 characters of ASCII"},
    OptionSpec{"publisher", OptionType::kText, "who made it, up to 128 characters; small letters become capitals"},
    OptionSpec{"joliet", OptionType::kFlag, "names for Windows; with neither of the two, both are written"},
    OptionSpec{"rock_ridge", OptionType::kFlag, "names, modes and links for POSIX systems"},
    OptionSpec{"boot", OptionType::kText, "a file of the folder that a BIOS boots"},
    OptionSpec{"efi_boot", OptionType::kText, "a file of the folder (a FAT file system) that UEFI boots"},
};

// The data of the sector in a head of plain or of raw sectors; empty where the head ends, and where it holds no data.
std::span<const std::byte> PlainSector(std::span<const std::byte> head, std::uint64_t sector) noexcept {
  const std::uint64_t at = sector * kSectorSize;
  return FitsWithin(at, kSectorSize, head.size()) ? head.subspan(at, kSectorSize) : std::span<const std::byte>();
}

std::span<const std::byte> RawSector(std::span<const std::byte> head, std::uint64_t sector) noexcept {
  const std::uint64_t at = sector * kRawSectorSize;
  if (!FitsWithin(at, kRawSectorSize, head.size())) return {};
  const auto raw = head.subspan(at, kRawSectorSize);
  const std::size_t data = RawSectorStorage::DataOffset(raw);
  return data == 0 ? std::span<const std::byte>() : raw.subspan(data, kSectorSize);
}

// As StartsVolume, of what the head shows: descriptors that reach its end belong to a volume, or to nothing that
// anybody writes.
template <class Sector>
bool ShowsVolume(std::span<const std::byte> head, Sector sector) noexcept {
  std::uint64_t at = kDescriptorSector;
  while (IsPassedOver(sector(head, at))) ++at;
  const auto next = sector(head, at);
  return IsVolumeDescriptor(next) || (next.empty() && at > kDescriptorSector);
}

Likeness Probe(const ProbeInput& input) noexcept {
  const bool raw = RawSectorStorage::Starts(input.head) && ShowsVolume(input.head, RawSector);
  return raw || ShowsVolume(input.head, PlainSector) ? Likeness::kCertain : Likeness::kNo;
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "iso",
    .qemu_name = "",
    .title = "CD, DVD or BD image: ISO 9660, UDF",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
    .open_options = kOpenOptions,
    .create = Create,
    .create_options = kCreateOptions,
    .author = Author,
    .author_options = kAuthorOptions,
    .measure = Measure,
    .check = Check,
    .inspect = Inspect,
};

}  // namespace platter::iso
