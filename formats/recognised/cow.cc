// COW of User-mode Linux (Linux: arch/um/drivers/cow_user.c), of which qemu read version 2 until its own version 2.1.
#include <array>
#include <cstring>

#include "formats/core/bytes.h"
#include "formats/recognised/described_image.h"

namespace platter::cow {
namespace {

constexpr std::size_t kProbed = 8;
constexpr std::uint32_t kMagic = 0x4F4F4F4D;  // "OOOM"; version 1 has the byte order of the host that wrote it
constexpr std::size_t kVersion = 4;
constexpr std::uint32_t kLargestVersion = 255;
constexpr std::size_t kHeaderBytes = 36 + 4096;  // of version 3, the longest

std::uint32_t NumberAt(const std::byte* bytes, bool big) {
  return big ? LoadBe<std::uint32_t>(bytes) : LoadLe<std::uint32_t>(bytes);
}

struct Fields {
  bool big = true;
  std::uint32_t version = 0;
};

// Of every version that there may be: what names another file is none to be taken for raw bytes.
std::optional<Fields> FieldsOf(std::span<const std::byte> head) noexcept {
  if (head.size() < kProbed) return std::nullopt;
  const bool big = NumberAt(head.data(), true) == kMagic;
  if (!big && NumberAt(head.data(), false) != kMagic) return std::nullopt;
  const Fields fields{big, NumberAt(head.data() + kVersion, big)};
  if (fields.version == 0 || fields.version > kLargestVersion) return std::nullopt;
  return fields;
}

Likeness Probe(const ProbeInput& input) noexcept { return FieldsOf(input.head) ? Likeness::kCertain : Likeness::kNo; }

struct Layout {
  std::size_t name = 0;
  std::size_t name_bytes = 0;
  std::size_t size = 0;
};

// Compilers aligned the fields in two ways; the sector size behind the disk's size tells which.
Layout LayoutOf(const Fields& fields, std::span<const std::byte> bytes) noexcept {
  const auto sector = [&](std::size_t at) { return NumberAt(bytes.data() + at, fields.big) == 512; };
  switch (fields.version) {
    case 1:
      return {8, 256, std::size_t{sector(276) ? 268U : 272U}};
    case 2:
      return {8, 1024, std::size_t{sector(1044) ? 1036U : 1040U}};
    default:
      return sector(20) ? Layout{32, 4096, 12} : Layout{36, 4096, 16};
  }
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, kHeaderBytes> bytes{};
  PLATTER_CHECK(storage->ReadPadded(0, bytes));
  const auto fields = FieldsOf(bytes);
  if (!fields) return Error(ErrorKind::kNotThisFormat, "Image not in COW format").At("cow header", "magic", 0);
  if (fields->version > 3) {
    return Error(ErrorKind::kUnsupported, "COW image of a version that we do not know")
        .At("cow header", "version", kVersion)
        .Found(fields->version)
        .Allowed("1 to 3");
  }
  if (context.contents) return recognised::NotRead("cow", "convert it with qemu-img 2.1 or older first");
  const Layout layout = LayoutOf(*fields, bytes);
  const std::byte* place = bytes.data() + layout.size;
  const std::uint64_t size = fields->big ? LoadBe<std::uint64_t>(place) : LoadLe<std::uint64_t>(place);
  if (size >= std::uint64_t{1} << 63) return recognised::BadField("cow", "size", layout.size, size, "below 2^63");
  ImageInfo info;
  info.tracks_dirty = false;
  info.virtual_size = size;
  const auto* name = reinterpret_cast<const char*>(bytes.data() + layout.name);
  std::string backing(name, strnlen(name, layout.name_bytes));
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
