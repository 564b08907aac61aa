// LUKS: an encrypted disk, version 1 described, version 2 recognised.
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

bool HasVersion(std::span<const std::byte> head, std::uint16_t version) noexcept {
  return head.size() >= kVersion + 2 && recognised::StartsWith(head, 0, kMagic) &&
         LoadBe<std::uint16_t>(head.data() + kVersion) == version;
}

Likeness QemuProbe(const ProbeInput& input) noexcept {
  return HasVersion(input.head, 1) ? Likeness::kCertain : Likeness::kNo;
}

Likeness Probe(const ProbeInput& input) noexcept {
  return HasVersion(input.head, kJsonVersionTwo) ? Likeness::kCertain : QemuProbe(input);
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, 8> head{};
  PLATTER_CHECK(storage->ReadPadded(0, head));
  if (!HasVersion(head, 1) && !HasVersion(head, kJsonVersionTwo)) {
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
