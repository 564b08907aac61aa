#include "formats/vhdx/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/vhdx/block_map.h"
#include "formats/vhdx/structure.h"

namespace platter::vhdx {
namespace {

constexpr std::uint64_t kPageBytes = 65536;

// Every block and every region begins at a whole MiB and takes whole MiB.
class UsedSpace {
 public:
  explicit UsedSpace(std::uint64_t file_size) : used_(DivideRoundingUp(file_size, kMiB)) {}

  // False when a part of the range is taken already.
  bool Take(std::uint64_t offset, std::uint64_t length) {
    bool free = true;
    const std::uint64_t end = std::min<std::uint64_t>(DivideRoundingUp(offset + length, kMiB), used_.size());
    for (std::uint64_t mib = offset / kMiB; mib < end; ++mib) {
      free = free && !used_[mib];
      used_[mib] = true;
    }
    return free;
  }

 private:
  std::vector<bool> used_;
};

class Checker {
 public:
  Checker(const CheckRequest& request, Structure& structure)
      : request_(request),
        structure_(structure),
        geometry_(structure.metadata.geometry),
        thorough_(request.context.dialect == Dialect::kPlatter) {}

  Result<CheckReport> Run() {
    if (structure_.dirty()) {
      Corruption(fmt::format("the log has {} entries that are not replayed", structure_.replayed_entries));
    } else if (structure_.replayed_entries != 0) {
      request_.log(fmt::format("replayed {} log entries", structure_.replayed_entries));
      ++report_.corruptions_fixed;
    }
    if (thorough_) PLATTER_CHECK(CheckCopies());
    PLATTER_CHECK(CheckEntries());
    return report_;
  }

 private:
  void Corruption(const std::string& what) {
    request_.log("ERROR " + what);
    ++report_.corruptions;
  }

  // Counts the finding, and corrects it where that is wanted.
  template <class Repairing>
  Result<> Finding(const std::string& what, const Repairing& repair) {
    if (request_.repair != Repair::kAll) {
      Corruption(what);
      return Done{};
    }
    request_.log("Repairing: " + what);
    PLATTER_CHECK(repair());
    ++report_.corruptions_fixed;
    return request_.storage->Sync();
  }

  Result<> CheckCopies() {
    HeaderPair& headers = structure_.headers;
    const std::size_t other = 1 - headers.current;
    if (!headers.copies[other]) {
      PLATTER_CHECK(Finding(fmt::format("header {} is not valid", other + 1),
                            [&] { return UpdateHeaders(*request_.storage, headers, headers.header()); }));
    }
    const RegionTable& table = structure_.regions;
    if (table.valid[0] && table.valid[1] && table.copies_agree) return Done{};
    const std::size_t good = table.valid[0] ? 0 : 1;
    const std::string what = table.valid[1 - good] ? "region table 2 differs from region table 1"
                                                   : fmt::format("region table {} is not valid", 2 - good);
    return Finding(what, [&]() -> Result<> {
      std::vector<std::byte> bytes(RegionTableLayout::kSize);
      PLATTER_CHECK(request_.storage->ReadAt(kRegionTableOffsets[good], bytes));
      return request_.storage->WriteAt(kRegionTableOffsets[1 - good], bytes);
    });
  }

  Result<> CheckEntries() {
    const std::uint64_t size = structure_.storage->size();
    if (size / kMiB / 8 > request_.context.limits.metadata_bytes) {
      return Error(ErrorKind::kLimit, "file is too large to be checked").In(request_.storage->name()).Found(size);
    }
    UsedSpace space(size);
    used_ = &space;
    const std::uint64_t table = geometry_.bat_entries() * kBatEntrySize;
    std::vector<std::byte> page;
    for (std::uint64_t at = 0; at < table;) {
      const DataRun run = PLATTER_TRY(structure_.storage->DataMap(structure_.regions.bat.offset + at));
      if (!run.data) {
        // Only zeros; the hole may end inside an entry.
        at += std::max<std::uint64_t>(AlignDown(run.length, kBatEntrySize), kBatEntrySize);
        continue;
      }
      page.resize(std::min(kPageBytes, table - at));
      PLATTER_CHECK(structure_.storage->ReadAt(structure_.regions.bat.offset + at, page));
      for (std::size_t in_page = 0; in_page < page.size(); in_page += kBatEntrySize) {
        CheckEntry((at + in_page) / kBatEntrySize, BatEntry{LoadLe<std::uint64_t>(page.data() + in_page)});
      }
      at += page.size();
    }
    if (partial_chunk_) MissBitmap();
    return Done{};
  }

  void CheckEntry(std::uint64_t index, const BatEntry& entry) {
    const std::uint64_t slots = geometry_.chunk_ratio() + 1;
    if (partial_chunk_ && index / slots != *partial_chunk_) MissBitmap();
    const bool bitmap = index % slots == geometry_.chunk_ratio();
    const std::uint64_t block = index / slots * geometry_.chunk_ratio() + index % slots;
    if (bitmap) return CheckBitmapEntry(index, entry);
    // What is behind the disk's end means nothing.
    if (block >= geometry_.block_count()) return;
    if (thorough_) CheckPayloadState(index, entry);
    if (!entry.Is(BlockState::kFullyPresent) && !(thorough_ && entry.stored())) return;
    const std::uint64_t used = std::min(geometry_.block_size, geometry_.virtual_size - block * geometry_.block_size);
    CheckPlace(index, entry, thorough_ ? used : geometry_.block_size, used);
  }

  void CheckBitmapEntry(std::uint64_t index, const BatEntry& entry) {
    if (!thorough_ || !geometry_.has_parent) return;
    if (entry.Is(BlockState::kNotPresent)) return;
    partial_chunk_.reset();
    if (!entry.Is(BlockState::kFullyPresent)) {
      return Corruption(fmt::format("entry {}: sector bitmap in state {}", index, entry.state()));
    }
    CheckPlace(index, entry, kBitmapBlockSize, kBitmapBlockSize);
  }

  void CheckPayloadState(std::uint64_t index, const BatEntry& entry) {
    if (entry.state() == 4) Corruption(fmt::format("entry {}: unknown state 4", index));
    if ((entry.word & kBatReservedMask) != 0) {
      Corruption(fmt::format("entry {}: reserved bits are set ({:#x})", index, entry.word));
    }
    if (!entry.Is(BlockState::kPartiallyPresent)) return;
    if (!geometry_.has_parent) Corruption(fmt::format("entry {}: a part of a block, but there is no parent", index));
    if (geometry_.has_parent) partial_chunk_ = index / (geometry_.chunk_ratio() + 1);
  }

  // The chunk's entries are behind us, and none was that of its sector bitmap.
  void MissBitmap() {
    Corruption(fmt::format("chunk {}: blocks are there in part, and no sector bitmap", *partial_chunk_));
    partial_chunk_.reset();
  }

  // `length`: what has to lie inside the file; `taken`: what nobody else may use.
  void CheckPlace(std::uint64_t index, const BatEntry& entry, std::uint64_t length, std::uint64_t taken) {
    const std::uint64_t size = structure_.storage->size();
    if (!thorough_) length = std::min(length, std::max(size - std::min(size, entry.offset()), taken));
    if (const char* wrong = WrongPlace(structure_, entry.offset(), length)) {
      return Corruption(fmt::format("entry {}: {} ({:#x} for {} bytes)", index, wrong, entry.offset(), length));
    }
    if (used_->Take(entry.offset(), taken) || !thorough_) return;
    Corruption(fmt::format("entry {}: block overlaps another block ({:#x})", index, entry.offset()));
  }

  const CheckRequest& request_;
  Structure& structure_;
  const Geometry& geometry_;
  bool thorough_;
  UsedSpace* used_ = nullptr;
  std::optional<std::uint64_t> partial_chunk_;  // whose sector bitmap has to come
  CheckReport report_;
};

}  // namespace

Result<CheckReport> Check(const CheckRequest& request) {
  const Replay replay = request.repair == Repair::kNothing ? Replay::kInMemory : Replay::kInPlace;
  Structure structure = PLATTER_TRY(ReadStructure(request.storage, replay, request.context.limits));
  return Checker(request, structure).Run();
}

}  // namespace platter::vhdx
