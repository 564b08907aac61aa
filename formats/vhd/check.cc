#include "formats/vhd/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/vhd/locate.h"

namespace platter::vhd {
namespace {

constexpr std::size_t kPageEntries = 16384;

// A stretch of the file that something occupies.
struct Occupied {
  std::uint64_t begin = 0;  // host bytes
  std::uint64_t end = 0;
  std::uint64_t block = 0;  // of a block: its number; kNoBlock of a structure
};
constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};

class Examination {
 public:
  Examination(const CheckRequest& request, Headers headers) : request_(request), headers_(std::move(headers)) {}

  Result<CheckReport> Run() {
    CheckFooters();
    report_.image_end_offset = request_.storage->size();
    if (!headers_.sparse) return report_;
    const SparseHeader& header = *headers_.sparse;
    report_.total_clusters = DivideRoundingUp<std::uint64_t>(headers_.virtual_size, header.block_size);
    if (report_.total_clusters * sizeof(Occupied) > request_.context.limits.metadata_bytes * 2) {
      return Error(ErrorKind::kLimit, "the block allocation table is too large to be checked")
          .Found(report_.total_clusters)
          .In(request_.storage->name());
    }
    AddStructures();
    PLATTER_CHECK(ReadTable());
    CheckOverlaps();
    if (!headers_.footer.differencing()) PLATTER_CHECK(CheckBitmaps());
    return report_;
  }

 private:
  void Corruption(const std::string& text) {
    request_.log("ERROR " + text);
    ++report_.corruptions;
  }

  void CheckCopy(const FooterCopy& copy, std::string_view place) {
    if (copy.state == FooterCopy::State::kAbsent) Corruption(fmt::format("no footer at the {} of the file", place));
    if (copy.state == FooterCopy::State::kDamaged) {
      Corruption(fmt::format("footer at the {} of the file: {}", place, copy.fault));
    }
  }

  void CheckFooters() {
    const FooterCopies& copies = headers_.copies;
    CheckCopy(copies.back, "end");
    const Footer& footer = headers_.footer;
    // Nobody reads another disk for it.
    if ((footer.features & kFeatureReserved) == 0) {
      request_.log("WARNING footer: the reserved bit of the features is not set");
    }
    for (const std::string& fault : FaultsOf(headers_)) Corruption(fault);
    if (!headers_.sparse) return;
    CheckCopy(copies.front, "start");
    const bool both = copies.front.state == FooterCopy::State::kSound && copies.back.state == FooterCopy::State::kSound;
    if (both && copies.front.footer != copies.back.footer) Corruption("the footers at both ends of the file differ");
  }

  void AddStructures() {
    const SparseHeader& header = *headers_.sparse;
    const std::uint64_t table = header.table_entries * std::uint64_t{kTableEntrySize};
    occupied_.push_back({0, FooterLayout::kSize, kNoBlock});
    occupied_.push_back({headers_.footer.data_offset, headers_.footer.data_offset + SparseLayout::kSize, kNoBlock});
    occupied_.push_back({header.table_offset, header.table_offset + table, kNoBlock});
    for (const ParentLocator& locator : header.locators) {
      const bool used = locator.platform != 0 && locator.data_length != 0;
      if (!used) continue;
      if (!FitsWithin(locator.data_offset, locator.data_length, request_.storage->size())) {
        Corruption(fmt::format("parent locator '{}' lies outside the file", FormatCode(locator.platform)));
      } else {
        occupied_.push_back({locator.data_offset, locator.data_offset + locator.data_length, kNoBlock});
      }
    }
    if (headers_.copies.back.state != FooterCopy::State::kAbsent) {
      occupied_.push_back({headers_.copies.back.offset, headers_.copies.back.offset + FooterLayout::kSize, kNoBlock});
    }
  }

  Result<> ReadTable() {
    std::vector<std::byte> page;
    std::uint64_t previous_end = 0;
    for (std::uint64_t first = 0; first < report_.total_clusters; first += kPageEntries) {
      page.resize(std::min<std::uint64_t>(kPageEntries, report_.total_clusters - first) * kTableEntrySize);
      PLATTER_CHECK(request_.storage->ReadAt(headers_.sparse->table_offset + first * kTableEntrySize, page));
      for (std::size_t at = 0; at < page.size(); at += kTableEntrySize) {
        AddBlock(first + at / kTableEntrySize, LoadBe<std::uint32_t>(page.data() + at), previous_end);
      }
    }
    return Done{};
  }

  void AddBlock(std::uint64_t block, std::uint32_t entry, std::uint64_t& previous_end) {
    if (entry == kUnallocated) return;
    const SparseHeader& header = *headers_.sparse;
    const std::uint64_t begin = entry * kSectorSize;
    const std::uint64_t used =
        std::min<std::uint64_t>(header.block_size, headers_.virtual_size - block * header.block_size);
    if (!FitsWithin(begin, header.bitmap_bytes() + used, request_.storage->size())) {
      return Corruption(
          fmt::format("block allocation table: entry {} points at sector {:#x}, outside the file", block, entry));
    }
    ++report_.allocated_clusters;
    if (previous_end != 0 && previous_end != begin) ++report_.fragmented_clusters;
    previous_end = begin + header.stored_block_bytes();
    // The room that the last block has beyond the disk's end may be missing.
    occupied_.push_back({begin, begin + header.bitmap_bytes() + used, block});
  }

  void CheckOverlaps() {
    std::ranges::sort(occupied_, {}, [](const Occupied& part) { return std::pair(part.begin, part.end); });
    std::uint64_t end = 0;
    std::uint64_t last_block = kNoBlock;
    for (const Occupied& part : occupied_) {
      if (part.begin < end) {
        const std::uint64_t block = part.block != kNoBlock ? part.block : last_block;
        if (block != kNoBlock) {
          Corruption(
              fmt::format("block allocation table: block {} at {:#x} overlaps something else", block, part.begin));
        } else {
          Corruption(fmt::format("structures overlap at {:#x}", part.begin));
        }
      } else {
        report_.leaks += (part.begin - end) / headers_.sparse->stored_block_bytes();
      }
      if (part.end > end) {
        end = part.end;
        last_block = part.block;
      }
    }
    if (report_.leaks != 0) {
      request_.log(fmt::format("Leaked room for {} blocks that no table entry points at", report_.leaks));
    }
  }

  // Readers disagree about sectors whose bit is clear in a dynamic disk: zeros for some, what is stored for others.
  Result<> CheckBitmaps() {
    const SparseHeader& header = *headers_.sparse;
    std::vector<std::byte> bitmap(header.bitmap_bytes());
    std::vector<std::byte> sector(kSectorSize);
    for (const Occupied& part : occupied_) {
      if (part.block == kNoBlock) continue;
      PLATTER_CHECK(request_.storage->ReadAt(part.begin, bitmap));
      const std::uint64_t sectors = (part.end - part.begin - bitmap.size()) / kSectorSize;
      for (std::uint64_t index = 0; index < sectors; ++index) {
        if ((bitmap[index / 8] & std::byte{0x80} >> (index % 8)) != std::byte{0}) continue;
        PLATTER_CHECK(request_.storage->ReadAt(part.begin + bitmap.size() + index * kSectorSize, sector));
        if (std::ranges::all_of(sector, [](std::byte b) { return b == std::byte{0}; })) continue;
        Corruption(fmt::format("block {}: sector {} holds data, but its bit is clear", part.block, index));
        break;
      }
    }
    return Done{};
  }

  const CheckRequest& request_;
  Headers headers_;
  CheckReport report_;
  std::vector<Occupied> occupied_;
};

}  // namespace

Result<CheckReport> Check(const CheckRequest& request) {
  if (request.repair != Repair::kNothing) {
    return Error(ErrorKind::kUnsupported, "VHD images are checked, but not repaired").In(request.storage->name());
  }
  Headers headers = PLATTER_TRY(LoadHeaders(*request.storage, request.context.options, Dialect::kPlatter));
  return Examination(request, std::move(headers)).Run();
}

}  // namespace platter::vhd
