#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vmdk/header.h"

namespace platter::vmdk {
namespace {

using L = SeSparseHeaderLayout;

Error Wrong(ErrorKind kind, std::string what, std::string field, std::uint64_t offset) {
  return Error(kind, std::move(what)).At("seSparse header", std::move(field), offset);
}

// What must stand where in every header that can be read.
struct Constant {
  const char* field;
  std::size_t offset;
  std::uint64_t value;
};

constexpr std::array kConstants = {
    Constant{"version", L::kVersion.offset, kSeSparseVersion},
    Constant{"grain_size", L::kGrainSize.offset, kSeSparseGrainSectors},
    Constant{"grain_table_size", L::kGrainTableSize.offset, kSeSparseTableSectors},
    Constant{"flags", L::kFlags.offset, 0},
    Constant{"reserved1", L::kReserved1.offset, 0},
    Constant{"reserved2", L::kReserved2.offset, 0},
    Constant{"reserved3", L::kReserved3.offset, 0},
    Constant{"reserved4", L::kReserved4.offset, 0},
};

Result<> CheckConstants(std::span<const std::byte> head) {
  for (const Constant& constant : kConstants) {
    const auto found = LoadLe<std::uint64_t>(head.data() + constant.offset);
    if (found == constant.value) continue;
    return Wrong(ErrorKind::kUnsupported, "this kind of seSparse extent cannot be read", constant.field,
                 constant.offset)
        .Found(fmt::format("{:#x}", found))
        .Allowed(fmt::format("{:#x}", constant.value));
  }
  constexpr std::size_t kPadding = L::kGrainsSize.offset + 8;
  const auto padding = head.subspan(kPadding, L::kSize - kPadding);
  if (std::ranges::any_of(padding, [](std::byte byte) { return byte != std::byte{0}; })) {
    return Wrong(ErrorKind::kUnsupported, "this kind of seSparse extent cannot be read", "padding", kPadding)
        .Found("bits that are set")
        .Allowed("zeros");
  }
  return Done{};
}

Result<> CheckPlaces(const SeSparseHeader& header, std::uint64_t file_size) {
  const std::uint64_t file_sectors = file_size / kSectorSize;
  if (header.volatile_header == 0 || !FitsWithin(header.volatile_header, 1, file_sectors)) {
    return Wrong(ErrorKind::kCorrupt, "volatile header lies outside the file", "volatile_header_offset",
                 L::kVolatileHeaderOffset.offset)
        .Found(header.volatile_header)
        .Allowed(fmt::format("1 to {}", file_sectors));
  }
  if (header.directory == 0 || !FitsWithin(header.directory, header.directory_size, file_sectors)) {
    return Wrong(ErrorKind::kCorrupt, "grain directory lies outside the file", "grain_dir_offset",
                 L::kDirectoryOffset.offset)
        .Found(fmt::format("{} sectors at sector {}", header.directory_size, header.directory))
        .Allowed(fmt::format("inside the file's {} bytes", file_size));
  }
  if (header.tables == 0 || header.tables > file_sectors) {
    return Wrong(ErrorKind::kCorrupt, "grain tables lie outside the file", "grain_tables_offset",
                 L::kGrainTablesOffset.offset)
        .Found(header.tables)
        .Allowed(fmt::format("1 to {}", file_sectors));
  }
  if (header.grains == 0 || header.grains > file_sectors) {
    return Wrong(ErrorKind::kCorrupt, "grains lie outside the file", "grains_offset", L::kGrainsOffset.offset)
        .Found(header.grains)
        .Allowed(fmt::format("1 to {}", file_sectors));
  }
  return Done{};
}

}  // namespace

Result<SeSparseHeader> ParseSeSparseHeader(std::span<const std::byte> head, std::uint64_t file_size) {
  if (head.size() < 8 || LoadLe<std::uint64_t>(head.data()) != kSeSparseMagic) {
    return Error(ErrorKind::kNotThisFormat, "not a VMDK seSparse extent");
  }
  if (head.size() < L::kSize) {
    return Wrong(ErrorKind::kCorrupt, "file ends inside the header", "whole header", 0)
        .Found(head.size())
        .Allowed("at least 512 bytes");
  }
  PLATTER_CHECK(CheckConstants(head));
  const RecordView<L> view(head.first<L::kSize>());
  SeSparseHeader header;
  header.capacity = view.Get<L::kCapacity>();
  header.volatile_header = view.Get<L::kVolatileHeaderOffset>();
  header.directory = view.Get<L::kDirectoryOffset>();
  header.directory_size = view.Get<L::kDirectorySize>();
  header.tables = view.Get<L::kGrainTablesOffset>();
  header.tables_size = view.Get<L::kGrainTablesSize>();
  header.grains = view.Get<L::kGrainsOffset>();
  header.grains_size = view.Get<L::kGrainsSize>();
  PLATTER_CHECK(CheckPlaces(header, file_size));
  const std::uint64_t table_span = kSeSparseGrainSectors * kSeSparseTableEntries;
  const bool covered = DivideRoundingUp(header.capacity, table_span) <= header.directory_entries();
  if (header.capacity == 0 || !covered || header.directory_entries() > kMaxDirectoryEntries) {
    return Wrong(ErrorKind::kCorrupt, "disk size is impossible", "capacity", L::kCapacity.offset)
        .Found(header.capacity)
        .Allowed(fmt::format("1 sector to what {} directory entries cover", header.directory_entries()));
  }
  return header;
}

Result<> CheckSeSparseVolatile(std::span<const std::byte> bytes, std::uint64_t host_offset) {
  using V = SeSparseVolatileLayout;
  const auto wrong = [&](ErrorKind kind, std::string what, std::string field, std::size_t at) {
    return Error(kind, std::move(what)).At("seSparse volatile header", std::move(field), host_offset + at);
  };
  if (bytes.size() < V::kSize || LoadLe<std::uint64_t>(bytes.data()) != kSeSparseVolatileMagic) {
    return wrong(ErrorKind::kCorrupt, "volatile header is damaged", "magic", 0);
  }
  const RecordView<V> view(bytes.first<V::kSize>());
  if (view.Get<V::kReplayJournal>() == 0) return Done{};
  return wrong(ErrorKind::kUnsupported, "the extent was not closed properly: its journal has to be replayed first",
               "replay_journal", V::kReplayJournal.offset)
      .Found(view.Get<V::kReplayJournal>())
      .Allowed("0");
}

}  // namespace platter::vmdk
