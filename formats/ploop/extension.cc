#include "formats/ploop/extension.h"

#include <fmt/format.h>
#include <openssl/md5.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"

namespace platter::ploop {
namespace {

using Digest = std::array<std::byte, ExtensionLayout::kDigestSize>;

Error Corrupt(const Header& header, std::string what, const char* field, std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("format extension", field, header.extension_offset + offset);
}

// Not through EVP: it starts all of OpenSSL for one digest that guards against accidents only.
Digest Md5(std::span<const std::byte> bytes) {
  Digest digest{};
  MD5(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
      reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string IdText(std::span<const std::byte> id) {
  std::string text;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", std::to_integer<unsigned>(id[i]));
  }
  return text;
}

Result<> TakeBitmap(const Header& header, std::span<const std::byte> data, std::uint64_t offset, Extension& extension) {
  if (data.size() < DirtyBitmapLayout::kSize) return Corrupt(header, "dirty bitmap is cut short", "section", offset);
  const RecordView<DirtyBitmapLayout> view(data.first<DirtyBitmapLayout::kSize>());
  const std::uint64_t entries = view.Get<DirtyBitmapLayout::kTableEntries>();
  const auto table = data.subspan(DirtyBitmapLayout::kSize);
  if (entries > table.size() / sizeof(std::uint64_t)) {
    return Corrupt(header, "dirty bitmap's table is cut short", "table_entries", offset).Found(entries);
  }
  for (std::uint64_t entry = 0; entry < entries; ++entry) {
    const auto sector = LoadLe<std::uint64_t>(table.data() + entry * sizeof(std::uint64_t));
    if (sector <= 1 || sector > ~std::uint64_t{0} / kSectorSize - header.cluster_size) continue;
    extension.end = std::max(extension.end, sector * kSectorSize + header.cluster_size);
  }
  extension.bitmaps.push_back({IdText(data.subspan(DirtyBitmapLayout::kId, DirtyBitmapLayout::kIdSize)),
                               view.Get<DirtyBitmapLayout::kSectors>() * kSectorSize,
                               view.Get<DirtyBitmapLayout::kGranularity>() * kSectorSize});
  return Done{};
}

Result<> TakeSections(const Header& header, std::span<const std::byte> cluster, Extension& extension) {
  std::uint64_t at = ExtensionLayout::kSize;
  while (FitsWithin(at, SectionLayout::kSize, cluster.size())) {
    const RecordView<SectionLayout> view(cluster.subspan(at).first<SectionLayout::kSize>());
    const auto magic = view.Get<SectionLayout::kMagic>();
    if (magic == kSectionEnd) return Done{};
    const std::uint64_t size = view.Get<SectionLayout::kDataSize>();
    const std::uint64_t data = at + SectionLayout::kSize;
    if (!FitsWithin(data, size, cluster.size())) {
      return Corrupt(header, "section reaches past the cluster", "data_size", at).Found(size);
    }
    if (magic == kSectionDirtyBitmap) {
      PLATTER_CHECK(TakeBitmap(header, cluster.subspan(data, size), at, extension));
    } else if ((view.Get<SectionLayout::kFlags>() & kSectionNecessary) != 0) {
      return Error(ErrorKind::kUnsupported, "unknown section that has to be understood")
          .At("format extension", "magic", header.extension_offset + at)
          .Found(fmt::format("{:#x}", magic));
    } else {
      extension.unknown.push_back(magic);
    }
    at = data + AlignUp<std::uint64_t>(size, 8);
  }
  return Done{};
}

}  // namespace

Result<Extension> ReadExtension(Storage& storage, const Header& header, const Limits& limits) {
  Extension extension;
  if (header.extension_offset == 0) return extension;
  if (header.cluster_size > limits.metadata_bytes) {
    return Error(ErrorKind::kLimit, "format extension is too large").Found(header.cluster_size).In(storage.name());
  }
  std::vector<std::byte> cluster(header.cluster_size);
  PLATTER_CHECK(storage.ReadAt(header.extension_offset, cluster));
  const auto magic = LoadLe<std::uint64_t>(cluster.data());
  if (magic != kExtensionMagic) {
    return Corrupt(
        header, fmt::format("Wrong parallels Format Extension magic: {:#x}, expected: {:#x}", magic, kExtensionMagic),
        "magic", 0);
  }
  const auto rest = std::span<const std::byte>(cluster).subspan(ExtensionLayout::kSize);
  const Digest digest = Md5(rest);
  if (!std::ranges::equal(digest, std::span(cluster).subspan(ExtensionLayout::kDigest, digest.size()))) {
    return Corrupt(header, "Wrong checksum in Format Extension header. Format extension is corrupted.", "digest",
                   ExtensionLayout::kDigest);
  }
  extension.end = header.extension_offset + header.cluster_size;
  PLATTER_CHECK(TakeSections(header, cluster, extension));
  return extension;
}

}  // namespace platter::ploop
