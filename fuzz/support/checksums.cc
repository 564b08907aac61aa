#include "fuzz/support/checksums.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "formats/containers/tar/header.h"
#include "formats/containers/tar/index.h"
#include "formats/core/bytes.h"
#include "formats/iso/udf_layout.h"
#include "formats/partition/layout.h"
#include "formats/vhd/header.h"
#include "formats/vhdx/crc32c.h"
#include "formats/vhdx/layout.h"

namespace platter::fuzz {
namespace {

using Bytes = std::vector<std::byte>;

// Empty where the file is too short.
Bytes BytesAt(SparseStorage& file, std::uint64_t offset, std::uint64_t length) {
  if (offset > file.size() || length > file.size() - offset) return {};
  Bytes bytes(length);
  return file.ReadAt(offset, bytes).ok() ? bytes : Bytes{};
}

// Writes the checksum `value` unless it is there already.
template <class Number>
bool Put(SparseStorage& file, std::uint64_t offset, const Number& field, std::span<const std::byte> structure,
         typename Number::Value value) {
  if (field.Decode(structure.data()) == value) return false;
  Bytes bytes(structure.begin(), structure.end());
  field.Encode(bytes.data(), value);
  return file.WriteAt(offset + field.offset, std::span(bytes).subspan(field.offset, Number::kWidth)).ok();
}

bool MendFooter(SparseStorage& file, std::uint64_t offset, std::uint64_t size) {
  using Layout = vhd::FooterLayout;
  Bytes bytes = BytesAt(file, offset, size);
  bytes.resize(bytes.empty() ? 0 : Layout::kSize);
  if (bytes.empty() || Layout::kCookie.Decode(bytes.data()) != vhd::kFooterCookie) return false;
  bool changed = Put(file, offset, Layout::kChecksum, bytes, vhd::Checksum(bytes, Layout::kChecksum.offset));
  using Sparse = vhd::SparseLayout;
  const std::uint64_t sparse = Layout::kDataOffset.Decode(bytes.data());
  const Bytes header = BytesAt(file, sparse, Sparse::kSize);
  if (!header.empty() && Sparse::kCookie.Decode(header.data()) == vhd::kSparseCookie) {
    changed |= Put(file, sparse, Sparse::kChecksum, header, vhd::Checksum(header, Sparse::kChecksum.offset));
  }
  return changed;
}

// All structures of VHDX carry their CRC-32C behind their signature.
bool MendStructure(SparseStorage& file, std::uint64_t offset, std::uint64_t length, std::uint32_t signature) {
  constexpr Le<std::uint32_t> kSignature{0};
  constexpr Le<std::uint32_t> kChecksum{4};
  const Bytes bytes = BytesAt(file, offset, length);
  if (bytes.empty() || kSignature.Decode(bytes.data()) != signature) return false;
  return Put(file, offset, kChecksum, bytes, vhdx::ChecksumOf(bytes));
}

bool MendLog(SparseStorage& file, std::uint64_t start, std::uint64_t length) {
  using Entry = vhdx::LogEntryHeader;
  bool changed = false;
  const std::uint64_t end = std::min(file.size(), start + std::min(length, std::uint64_t{4} << 20));
  for (std::uint64_t at = start; at + vhdx::kSector <= end; at += vhdx::kSector) {
    const Bytes head = BytesAt(file, at, Entry::kSize);
    if (head.empty() || Entry::kSignature.Decode(head.data()) != vhdx::kLogEntrySignature) continue;
    const std::uint64_t entry = Entry::kEntryLength.Decode(head.data());
    if (entry >= Entry::kSize && entry <= end - at) changed |= MendStructure(file, at, entry, vhdx::kLogEntrySignature);
  }
  return changed;
}

std::uint32_t Crc32(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

bool MendGptCopy(SparseStorage& file, std::uint64_t offset, std::uint64_t sector) {
  using Layout = partition::GptHeaderLayout;
  Bytes header = BytesAt(file, offset, sector);
  if (header.empty() || std::memcmp(header.data(), Layout::kSignatureText, 8) != 0) return false;
  const std::uint64_t lba = Layout::kEntriesLba.Decode(header.data());
  const std::uint64_t length = std::uint64_t{Layout::kEntryCount.Decode(header.data())} *
                               std::uint64_t{Layout::kEntrySize.Decode(header.data())};
  bool changed = false;
  if (lba < file.size() / sector && length <= std::uint64_t{1} << 20) {
    const Bytes entries = BytesAt(file, lba * sector, length);
    if (!entries.empty()) changed = Put(file, offset, Layout::kEntriesCrc, header, Crc32(entries));
  }
  header = BytesAt(file, offset, sector);
  Bytes counted(header.begin(), header.begin() + std::clamp<std::ptrdiff_t>(Layout::kHeaderSize.Decode(header.data()),
                                                                            std::ptrdiff_t{Layout::kSize},
                                                                            static_cast<std::ptrdiff_t>(sector)));
  Layout::kHeaderCrc.Encode(counted.data(), 0);
  changed |= Put(file, offset, Layout::kHeaderCrc, header, Crc32(counted));
  return changed;
}

// CRC-16 of ECMA-167 (7.2.6), polynomial 0x1021.
std::uint16_t Crc16(std::span<const std::byte> bytes) {
  unsigned crc = 0;
  for (const std::byte value : bytes) {
    crc ^= std::to_integer<unsigned>(value) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) : crc << 1;
  }
  return static_cast<std::uint16_t>(crc);
}

bool MendTag(SparseStorage& file, std::uint64_t offset) {
  using Tag = iso::udf::TagLayout;
  Bytes bytes = BytesAt(file, offset, iso::kSectorSize);
  if (bytes.empty()) return false;
  const auto id = Tag::kId.Decode(bytes.data());
  const auto version = Tag::kVersion.Decode(bytes.data());
  const std::size_t length = Tag::kCrcLength.Decode(bytes.data());
  if (id == 0 || id > 266 || version < 2 || version > 3 || length > bytes.size() - Tag::kSize) return false;
  const Bytes before = bytes;
  Tag::kCrc.Encode(bytes.data(), Crc16(std::span(bytes).subspan(Tag::kSize, length)));
  Tag::kChecksum.Encode(bytes.data(), 0);
  unsigned sum = 0;
  for (const std::byte value : std::span(bytes).first(Tag::kSize)) sum += std::to_integer<unsigned>(value);
  Tag::kChecksum.Encode(bytes.data(), static_cast<std::uint8_t>(sum));
  return bytes != before && file.WriteAt(offset, bytes).ok();
}

}  // namespace

bool MendVhd(SparseStorage& file) {
  bool changed = MendFooter(file, 0, vhd::FooterLayout::kSize);
  for (const std::size_t size : {vhd::FooterLayout::kSize, vhd::kShortFooterSize}) {
    if (file.size() >= size) changed |= MendFooter(file, file.size() - size, size);
  }
  return changed;
}

bool MendVhdx(SparseStorage& file) {
  bool changed = false;
  for (const std::uint64_t offset : vhdx::kHeaderOffsets) {
    changed |= MendStructure(file, offset, vhdx::HeaderLayout::kSize, vhdx::kHeaderSignature);
    const Bytes header = BytesAt(file, offset, vhdx::HeaderLayout::kSize);
    if (header.empty()) continue;
    const std::uint64_t log = vhdx::HeaderLayout::kLogOffset.Decode(header.data());
    if (log < file.size()) changed |= MendLog(file, log, vhdx::HeaderLayout::kLogLength.Decode(header.data()));
  }
  for (const std::uint64_t offset : vhdx::kRegionTableOffsets) {
    changed |= MendStructure(file, offset, vhdx::RegionTableLayout::kSize, vhdx::kRegionSignature);
  }
  return changed;
}

bool MendGpt(SparseStorage& file) {
  bool changed = false;
  for (const std::uint64_t sector : {512U, 4096U}) {
    if (file.size() < 2 * sector) continue;
    changed |= MendGptCopy(file, sector, sector);
    changed |= MendGptCopy(file, file.size() / sector * sector - sector, sector);
  }
  return changed;
}

bool MendUdf(SparseStorage& file) {
  bool changed = false;
  for (std::uint64_t at = 0; at + iso::kSectorSize <= file.size();) {
    const auto run = file.DataMap(at);
    if (!run.ok()) break;
    const std::uint64_t end = at + run.value().length;
    for (; run.value().data && at + iso::kSectorSize <= end; at += iso::kSectorSize) changed |= MendTag(file, at);
    at = std::max(end, at + 1);
  }
  return changed;
}

bool MendTar(SparseStorage& file) {
  constexpr int kMostMended = 64;
  for (int mended = 0; mended < kMostMended; ++mended) {
    tar::Block block{};
    tar::Index index;
    std::uint64_t at = 0;
    const bool first = mended == 0 && file.ReadAt(0, block).ok() && !tar::ChecksumFits(block);
    if (!first) {
      const auto read = tar::ReadIndex(file, {}, index);
      const bool checksum = !read.ok() && read.error().field() == tar::kChecksum.name && read.error().host_offset();
      if (!checksum) return mended != 0;
      at = *read.error().host_offset() - tar::kChecksum.offset;
    }
    if (!file.ReadAt(at, block).ok()) return mended != 0;
    const auto field = std::span(block).subspan(tar::kChecksum.offset, tar::kChecksum.length);
    std::ranges::fill(field, std::byte{' '});
    unsigned sum = 0;
    for (const std::byte byte : block) sum += std::to_integer<unsigned>(byte);
    for (std::size_t digit = 6; digit > 0; --digit, sum /= 8) field[digit - 1] = static_cast<std::byte>('0' + sum % 8);
    if (!file.WriteAt(at, block).ok()) return mended != 0;
  }
  return true;
}

}  // namespace platter::fuzz
