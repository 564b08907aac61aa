#include "formats/core/luks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"

namespace platter {
namespace {

// The LUKS1 On-Disk Format Specification, figures 1 and 2.
struct LuksHeader {
  static constexpr std::size_t kSize = 592;
  static constexpr std::array<std::uint8_t, 6> kMagic = {'L', 'U', 'K', 'S', 0xBA, 0xBE};
  static constexpr Be<std::uint16_t> kVersion{6};
  static constexpr std::size_t kCipherName = 8;
  static constexpr std::size_t kCipherMode = 40;
  static constexpr std::size_t kHash = 72;
  static constexpr std::size_t kNameSize = 32;
  static constexpr Be<std::uint32_t> kPayloadSectors{104};
  static constexpr Be<std::uint32_t> kKeyBytes{108};
  static constexpr Be<std::uint32_t> kMasterKeyIterations{164};
  static constexpr std::size_t kUuid = 168;
  static constexpr std::size_t kUuidSize = 40;
  static constexpr std::size_t kKeySlots = 208;
  static constexpr std::size_t kKeySlotCount = 8;
};
struct KeySlot {
  static constexpr std::size_t kSize = 48;
  static constexpr Be<std::uint32_t> kState{0};
  static constexpr Be<std::uint32_t> kIterations{4};
  static constexpr Be<std::uint32_t> kKeySectors{40};
  static constexpr Be<std::uint32_t> kStripes{44};
  static constexpr std::uint32_t kActive = 0x00AC71F3;
};
constexpr std::uint64_t kSector = 512;

std::string Text(std::span<const std::byte> header, std::size_t offset, std::size_t size) {
  const char* text = reinterpret_cast<const char*>(header.data()) + offset;
  return std::string(text, strnlen(text, size));
}

struct CipherMode {
  std::string mode;
  std::string ivgen;
  std::string ivgen_hash;  // "" = none
};

// "xts-plain64", "cbc-essiv:sha256".
CipherMode SplitMode(const std::string& text) {
  CipherMode split;
  const std::size_t dash = text.find('-');
  split.mode = text.substr(0, dash);
  if (dash == std::string::npos) return split;
  const std::string ivgen = text.substr(dash + 1);
  const std::size_t colon = ivgen.find(':');
  split.ivgen = ivgen.substr(0, colon);
  if (colon != std::string::npos) split.ivgen_hash = ivgen.substr(colon + 1);
  return split;
}

// qemu's name of a cipher has its key's length in it; XTS takes two keys.
std::string CipherName(const std::string& name, const std::string& mode, std::uint32_t key_bytes) {
  if (name == "des3") return "3des";
  if (name == "cast5") return "cast5-128";
  const std::uint32_t bits = key_bytes * 8U / (mode == "xts" ? 2U : 1U);
  return fmt::format("{}-{}", name, bits);
}

Detail DescribeSlots(std::span<const std::byte> header) {
  Detail::List slots;
  for (std::size_t index = 0; index < LuksHeader::kKeySlotCount; ++index) {
    const RecordView<KeySlot> view(
        header.subspan(LuksHeader::kKeySlots + index * KeySlot::kSize).first<KeySlot::kSize>());
    const bool active = view.Get<KeySlot::kState>() == KeySlot::kActive;
    Detail slot;
    slot.Add("active", active);
    if (active) slot.Add("iters", view.Get<KeySlot::kIterations>());
    slot.Add("key-offset", view.Get<KeySlot::kKeySectors>() * kSector);
    if (active) slot.Add("stripes", view.Get<KeySlot::kStripes>());
    slots.push_back(std::move(slot));
  }
  return slots;
}

}  // namespace

Result<Detail> DescribeLuks(Storage& storage, std::uint64_t offset, std::uint64_t length, bool nested) {
  const auto corrupt = [&](std::string what) {
    return Error(ErrorKind::kCorrupt, std::move(what)).At("LUKS header", "whole header", offset);
  };
  if (length < LuksHeader::kSize || !FitsWithin(offset, length, storage.size())) {
    return corrupt("LUKS header lies outside the file").Found(fmt::format("{} bytes", length));
  }
  std::array<std::byte, LuksHeader::kSize> bytes;
  PLATTER_CHECK(storage.ReadAt(offset, bytes));
  const RecordView<LuksHeader> view(bytes);
  if (std::memcmp(bytes.data(), LuksHeader::kMagic.data(), LuksHeader::kMagic.size()) != 0) {
    return corrupt("encrypted image has no LUKS header");
  }
  if (view.Get<LuksHeader::kVersion>() != 1) {
    return corrupt("LUKS header is of another version").Found(view.Get<LuksHeader::kVersion>()).Allowed("1");
  }
  const std::string cipher = Text(bytes, LuksHeader::kCipherName, LuksHeader::kNameSize);
  const CipherMode mode = SplitMode(Text(bytes, LuksHeader::kCipherMode, LuksHeader::kNameSize));
  Detail detail;
  detail.Add("ivgen-alg", mode.ivgen);
  detail.Add("hash-alg", Text(bytes, LuksHeader::kHash, LuksHeader::kNameSize));
  detail.Add("cipher-alg", CipherName(cipher, mode.mode, view.Get<LuksHeader::kKeyBytes>()));
  detail.Add("uuid", Text(bytes, LuksHeader::kUuid, LuksHeader::kUuidSize));
  if (!mode.ivgen_hash.empty()) detail.Add("ivgen-hash-alg", mode.ivgen_hash);
  if (nested) detail.Add("format", "luks");
  detail.Add("cipher-mode", mode.mode);
  detail.Add("slots", DescribeSlots(bytes));
  detail.Add("payload-offset", view.Get<LuksHeader::kPayloadSectors>() * kSector);
  detail.Add("master-key-iters", view.Get<LuksHeader::kMasterKeyIterations>());
  return detail;
}

}  // namespace platter
