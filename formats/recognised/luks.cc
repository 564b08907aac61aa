// LUKS: an encrypted disk, version 1 described, version 2 recognised, by either of its headers.
#include <algorithm>
#include <array>

#include "formats/core/bytes.h"
#include "formats/core/luks.h"
#include "formats/recognised/described_image.h"

namespace platter::luks {
namespace {

constexpr std::string_view kMagic{"LUKS\xBA\xBE", 6};
constexpr std::size_t kVersion = 6;          // u16, big-endian
constexpr std::uint64_t kHeaderBytes = 592;  // of version 1
constexpr std::uint64_t kJsonVersionTwo = 2;

// Version 2 has two headers, the second behind the room of the first, and says in it where that is: a disk that has
// lost the first is told by it (LUKS2 On-Disk Format Specification, 2.1; libblkid, superblocks/luks.c).
struct SecondHeader {
  static constexpr std::size_t kSize = 512;
  static constexpr std::string_view kMagic{"SKUL\xBA\xBE\0\2", 8};
  static constexpr Be<std::uint64_t> kPlace{256};
  static constexpr std::array<std::uint64_t, 9> kPlaces = {0x4000,  0x8000,   0x10000,  0x20000, 0x40000,
                                                           0x80000, 0x100000, 0x200000, 0x400000};
};

bool IsSecondHeader(std::span<const std::byte> bytes, std::uint64_t place) noexcept {
  return bytes.size() >= SecondHeader::kSize && recognised::StartsWith(bytes, 0, SecondHeader::kMagic) &&
         SecondHeader::kPlace.Decode(bytes.data()) == place;
}

Result<bool> HasSecondHeader(Storage& storage) {
  std::array<std::byte, SecondHeader::kSize> bytes;
  Result<> read = Done{};
  for (const std::uint64_t place : SecondHeader::kPlaces) {
    if (place >= storage.size()) break;
    // All are asked for: of a stream those that are still to come are kept.
    auto one = storage.ReadPadded(place, bytes);
    if (one.ok() && IsSecondHeader(bytes, place)) return true;
    if (!one.ok()) read = std::move(one);
  }
  if (!read.ok()) return std::move(read).error();
  return false;
}

bool HasVersion(std::span<const std::byte> head, std::uint16_t version) noexcept {
  return head.size() >= kVersion + 2 && recognised::StartsWith(head, 0, kMagic) &&
         LoadBe<std::uint16_t>(head.data() + kVersion) == version;
}

Likeness QemuProbe(const ProbeInput& input) noexcept {
  return HasVersion(input.head, 1) ? Likeness::kCertain : Likeness::kNo;
}

Likeness Probe(const ProbeInput& input) noexcept {
  const auto second = [&](std::uint64_t place) {
    return place < input.head.size() && IsSecondHeader(input.head.subspan(place), place);
  };
  const bool version2 = HasVersion(input.head, kJsonVersionTwo) || std::ranges::any_of(SecondHeader::kPlaces, second);
  return version2 ? Likeness::kCertain : QemuProbe(input);
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, 8> head{};
  PLATTER_CHECK(storage->ReadPadded(0, head));
  if (!HasVersion(head, 1) && !HasVersion(head, kJsonVersionTwo) && !PLATTER_TRY(HasSecondHeader(*storage))) {
    return Error(ErrorKind::kNotThisFormat, "Volume is not in LUKS format").At("LUKS header", "magic", 0);
  }
  if (context.contents)
    return recognised::NotRead("luks", "they are encrypted: decrypt it with cryptsetup or qemu-img first");
  ImageInfo info;
  info.encrypted = true;
  // Version 2 keeps the payload's place in JSON, encrypted segments and all: the whole file is what we know.
  info.virtual_size = storage->size();
  if (HasVersion(head, 1)) {
    info.specific = PLATTER_TRY(DescribeLuks(*storage, 0, kHeaderBytes, false));
    const auto payload = std::get<std::uint64_t>(info.specific.Find("payload-offset")->value());
    if (payload > storage->size()) {
      return recognised::BadField("LUKS", "payload_offset", 104, payload, "at most the file's size");
    }
    info.virtual_size = storage->size() - payload;
  } else {
    info.specific.Add("version", kJsonVersionTwo);
  }
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("luks", std::move(storage), std::move(info)));
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "luks",
    .qemu_name = "luks",
    .title = "LUKS encrypted disk",
    .probe = Probe,
    .qemu_probe = QemuProbe,
    .open = Open,
    .described_only = true,
};

}  // namespace platter::luks
