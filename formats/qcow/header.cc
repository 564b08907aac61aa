#include "formats/qcow/header.h"

#include <fmt/format.h>

#include <utility>

#include "formats/core/checked.h"

namespace platter::qcow {
namespace {

constexpr std::uint64_t kMaxVirtualSize = std::uint64_t{1} << 62;

Error Corrupt(std::string what, std::string field, std::size_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("qcow header", std::move(field), offset);
}

Result<> CheckBounds(const Header& header, std::uint64_t file_size) {
  if (header.cluster_bits < kMinClusterBits || header.cluster_bits > kMaxClusterBits) {
    return Corrupt("Cluster size must be between 512 and 64k", "cluster_bits", HeaderLayout::kClusterBits.offset)
        .Found(header.cluster_bits)
        .Allowed("9 to 16");
  }
  if (header.l2_bits < kMinL2Bits || header.l2_bits > kMaxL2Bits) {
    return Corrupt("L2 table size must be between 512 and 64k", "l2_bits", HeaderLayout::kL2Bits.offset)
        .Found(header.l2_bits)
        .Allowed("6 to 13");
  }
  if (header.virtual_size == 0 || header.virtual_size > kMaxVirtualSize) {
    return Corrupt("disk size is impossible", "size", HeaderLayout::kVirtualSize.offset)
        .Found(header.virtual_size)
        .Allowed("1 to 2^62 bytes");
  }
  const auto l1_bytes = CheckedMultiply<std::uint64_t>(header.l1_entries(), kEntrySize);
  if (!l1_bytes || !FitsWithin(header.l1_table_offset, *l1_bytes, file_size)) {
    return Corrupt("L1 table lies outside the file", "l1_table_offset", HeaderLayout::kL1TableOffset.offset)
        .Found(fmt::format("{:#x} for {} entries", header.l1_table_offset, header.l1_entries()))
        .Allowed(fmt::format("inside the file's {} bytes", file_size));
  }
  if (header.backing_file_offset == 0) return Done{};
  if (header.backing_file_size > kMaxBackingNameBytes ||
      !FitsWithin(header.backing_file_offset, header.backing_file_size, file_size)) {
    return Corrupt("backing file name is too long or lies outside the file", "backing_file_offset",
                   HeaderLayout::kBackingFileOffset.offset)
        .Found(fmt::format("{} bytes at {}", header.backing_file_size, header.backing_file_offset))
        .Allowed(fmt::format("up to 1023 bytes inside the file's {}", file_size));
  }
  return Done{};
}

}  // namespace

std::uint64_t Header::l1_entries() const noexcept {
  return DivideRoundingUp(virtual_size, std::uint64_t{1} << coverage_bits());
}

Result<Header> ParseHeader(std::span<const std::byte> head, std::uint64_t file_size) {
  if (head.size() < 8 || LoadBe<std::uint32_t>(head.data()) != kMagic) {
    return Error(ErrorKind::kNotThisFormat, "Image not in qcow format");
  }
  if (LoadBe<std::uint32_t>(head.data() + HeaderLayout::kVersion.offset) != kVersion) {
    return Error(ErrorKind::kNotThisFormat, "this is no qcow image of version 1");
  }
  if (head.size() < HeaderLayout::kSize) {
    return Corrupt("file ends inside the header", "whole header", 0).Found(head.size()).Allowed("at least 48 bytes");
  }
  const RecordView<HeaderLayout> view(head.first<HeaderLayout::kSize>());
  Header header;
  header.virtual_size = view.Get<HeaderLayout::kVirtualSize>();
  header.cluster_bits = view.Get<HeaderLayout::kClusterBits>();
  header.l2_bits = view.Get<HeaderLayout::kL2Bits>();
  header.l1_table_offset = view.Get<HeaderLayout::kL1TableOffset>();
  header.backing_file_offset = view.Get<HeaderLayout::kBackingFileOffset>();
  header.backing_file_size = view.Get<HeaderLayout::kBackingFileSize>();
  const std::uint32_t crypt_method = view.Get<HeaderLayout::kCryptMethod>();
  if (crypt_method > kCryptAes) {
    return Corrupt("unknown encryption method", "crypt_method", HeaderLayout::kCryptMethod.offset)
        .Found(crypt_method)
        .Allowed("0 (none), 1 (AES)");
  }
  header.encrypted = crypt_method == kCryptAes;
  PLATTER_CHECK(CheckBounds(header, file_size));
  return header;
}

}  // namespace platter::qcow
