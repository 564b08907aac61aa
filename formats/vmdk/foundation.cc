#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/vmdk/reader.h"

namespace platter::vmdk {
namespace {

constexpr std::array<std::string_view, 6> kTypesOfQemu = {
    "monolithicFlat", "vmfs", "vmfsSparse", "seSparse", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"};

// Guest disks that are somebody's device.
constexpr std::array<std::string_view, 9> kDeviceTypes = {"fullDevice",
                                                          "partitionedDevice",
                                                          "vmfsRaw",
                                                          "vmfsRDM",
                                                          "vmfsRDMP",
                                                          "vmfsRawDeviceMap",
                                                          "vmfsPassthroughRDM",
                                                          "vmfsPassthroughRawDeviceMap",
                                                          "vmfsPassthroughRawDevice"};

Result<std::string> ReadText(Storage& storage, std::uint64_t offset, std::uint64_t length) {
  std::string text(length, '\0');
  PLATTER_CHECK(storage.ReadAt(offset, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<> CheckCreateType(const Descriptor& descriptor, Dialect dialect) {
  const auto wrong = [&](ErrorKind kind, std::string what) {
    return Error(kind, std::move(what)).At("VMDK descriptor", "createType");
  };
  const std::string& type = descriptor.create_type;
  if (type.empty()) return wrong(ErrorKind::kCorrupt, "invalid VMDK image descriptor: it has no createType");
  const bool of_qemu = std::ranges::find(kTypesOfQemu, type) != kTypesOfQemu.end();
  const bool device = std::ranges::find(kDeviceTypes, type) != kDeviceTypes.end();
  if (dialect == Dialect::kQemu && !of_qemu) {
    return wrong(ErrorKind::kUnsupported, fmt::format("Unsupported image type '{}'", type));
  }
  if (!device) return Done{};
  return wrong(ErrorKind::kUnsupported,
               fmt::format("a disk of type {} stands for a raw device and cannot be read", type));
}

// The text at the file's start, up to its first NUL or the longest that a descriptor may be. In pieces: what follows a
// short text is not looked at.
Result<std::string> ReadLeadingText(Storage& storage) {
  constexpr std::uint64_t kPiece = 65536;
  const std::uint64_t most = std::min<std::uint64_t>(storage.size(), kMaxDescriptorBytes + 1);
  std::string text;
  while (text.size() < most && text.find('\0') == std::string::npos) {
    text += PLATTER_TRY(ReadText(storage, text.size(), std::min(kPiece, most - text.size())));
  }
  return text;
}

// A text in a file of its own.
Result<Foundation> ReadDescriptorFile(Storage& storage, const OpenContext& context) {
  const std::string text = PLATTER_TRY(ReadLeadingText(storage));
  if (!LooksLikeDescriptor(text)) return Error(ErrorKind::kNotThisFormat, "Image not in VMDK format");
  Foundation foundation{PLATTER_TRY(ParseDescriptor(text, context.limits))};
  PLATTER_CHECK(CheckCreateType(foundation.descriptor, context.dialect));
  return foundation;
}

Result<> CheckEmbedded(const Descriptor& descriptor, Dialect dialect) {
  if (dialect == Dialect::kQemu || descriptor.extents.size() <= 1) return Done{};
  return Error(ErrorKind::kUnsupported, "the descriptor inside an extent lists other extents")
      .At("VMDK descriptor", "extent description")
      .Found(fmt::format("{} extents", descriptor.extents.size()))
      .Allowed("1");
}

Error OnlyAnExtent(const SparseHeader& header) {
  return Error(ErrorKind::kUnsupported, "the file is only one extent of a disk")
      .At("VMDK header", "descriptorOffset", SparseHeaderLayout::kDescriptorOffset.offset)
      .Found(header.descriptor_offset)
      .Allowed("the place of a descriptor")
      .Try("open the file with the disk's descriptor");
}

}  // namespace

Result<Foundation> ReadEmbedded(Storage& storage, const HostedExtent& hosted, const OpenContext& context) {
  const SparseHeader& header = hosted.header;
  if (header.descriptor_offset == 0 || header.descriptor_size == 0) return OnlyAnExtent(header);
  const std::uint64_t offset = header.descriptor_offset * kSectorSize;
  const std::uint64_t room = header.descriptor_size * kSectorSize;
  const std::string text = PLATTER_TRY(ReadText(storage, offset, room));
  Foundation foundation{PLATTER_TRY(ParseDescriptor(text, context.limits)), hosted, offset, room};
  Descriptor& descriptor = foundation.descriptor;
  // Some tools leave room for a descriptor in every extent, and write none.
  if (descriptor.create_type.empty() && descriptor.extents.empty()) return OnlyAnExtent(header);
  if (header.capacity == 0) {
    foundation.hosted.reset();
    PLATTER_CHECK(CheckCreateType(descriptor, context.dialect));
    return foundation;
  }
  PLATTER_CHECK(CheckEmbedded(descriptor, context.dialect));
  // The header decides how the file is read, whatever the descriptor calls it.
  descriptor.create_type = header.compressed() ? "streamOptimized" : "monolithicSparse";
  return foundation;
}

Result<Foundation> ReadFoundation(Storage& storage, const OpenContext& context) {
  std::array<std::byte, 4> magic{};
  if (storage.size() < magic.size()) return Error(ErrorKind::kNotThisFormat, "File is too small, not a valid image");
  PLATTER_CHECK(storage.ReadAt(0, magic));
  switch (LoadLe<std::uint32_t>(magic.data())) {
    case kSparseMagic:
      return ReadEmbedded(storage, PLATTER_TRY(OpenHosted(storage, context.dialect)), context);
    case kCowdMagic:
      return Error(ErrorKind::kUnsupported, "the file is only one extent of a disk")
          .At("COWD header", "magic", 0)
          .Try("open the file with the disk's descriptor");
    default:
      return ReadDescriptorFile(storage, context);
  }
}

Result<std::vector<ExtentFile>> OpenAllExtents(std::shared_ptr<Storage> storage, const Foundation& foundation,
                                               const OpenContext& context) {
  if (!foundation.hosted) return OpenExtents(foundation.descriptor, storage->name(), context);
  std::vector<ExtentFile> extents;
  extents.push_back(PLATTER_TRY(EmbeddedExtent(std::move(storage), *foundation.hosted, context)));
  return extents;
}

}  // namespace platter::vmdk
