// COW of User-mode Linux, which qemu read until version 2.1 (version 2 of the format).
#include <array>
#include <cstring>

#include "formats/core/bytes.h"
#include "formats/recognised/described_image.h"

namespace platter::cow {
namespace {

struct Header {
  static constexpr std::size_t kSize = 1052;
  static constexpr std::string_view kMagic = "OOOM";
  static constexpr Be<std::uint32_t> kVersion{4};
  static constexpr std::size_t kBackingFile = 8;
  static constexpr std::size_t kBackingBytes = 1024;
  // Compilers aligned the size in two ways; the sector size behind it tells which.
  static constexpr Be<std::uint64_t> kPackedSize{1036};
  static constexpr Be<std::uint32_t> kPackedSector{1044};
  static constexpr Be<std::uint64_t> kAlignedSize{1040};
};

bool IsOurs(std::span<const std::byte> head) noexcept {
  return head.size() >= Header::kSize && recognised::StartsWith(head, 0, Header::kMagic) &&
         Header::kVersion.Decode(head.data()) == 2;
}

Likeness Probe(const ProbeInput& input) noexcept { return IsOurs(input.head) ? Likeness::kCertain : Likeness::kNo; }

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, Header::kSize> bytes{};
  PLATTER_CHECK(storage->ReadPadded(0, bytes));
  if (!IsOurs(bytes)) {
    return Error(ErrorKind::kNotThisFormat, "Image not in COW format").At("cow header", "magic", 0);
  }
  if (context.contents) return recognised::NotRead("cow", "convert it with qemu-img 2.1 or older first");
  const bool packed = Header::kPackedSector.Decode(bytes.data()) == 512;
  const std::uint64_t size =
      packed ? Header::kPackedSize.Decode(bytes.data()) : Header::kAlignedSize.Decode(bytes.data());
  if (size >= std::uint64_t{1} << 63)
    return recognised::BadField("cow", "size", packed ? 1036 : 1040, size, "below 2^63");
  ImageInfo info;
  info.tracks_dirty = false;
  info.virtual_size = size;
  const auto* name = reinterpret_cast<const char*>(bytes.data() + Header::kBackingFile);
  std::string backing(name, strnlen(name, Header::kBackingBytes));
  if (!backing.empty()) info.backing = Reference{.text = std::move(backing), .format_hint = ""};
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("cow", std::move(storage), std::move(info)));
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "cow",
    .qemu_name = "",
    .title = "User-mode Linux copy-on-write disk",
    .probe = Probe,
    .open = Open,
    .described_only = true,
    .can_have_backing = true,
};

}  // namespace platter::cow
