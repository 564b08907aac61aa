#include "formats/vdi/block_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace platter::vdi {
namespace {

// Entries passed over in one call, so that an extent of any length costs a bounded amount of work.
constexpr std::uint64_t kEntriesPerCall = std::uint64_t{1} << 20;

bool Continues(const BlockRun& run, const BlockRun& next) noexcept {
  return run.kind == next.kind && (run.kind != BlockKind::kData || run.host + run.length == next.host);
}

}  // namespace

BlockMap::BlockMap(std::shared_ptr<Storage> storage, const Header& header, const Limits& limits)
    : storage_(std::move(storage)),
      header_(header),
      limits_(limits),
      file_size_(storage_->size()),
      entries_(storage_, std::uint64_t{1} << 16, limits.table_cache, TableWord::kLittle32) {}

Result<bool> BlockMap::IsRepeated(std::uint32_t place) {
  const std::lock_guard lock(mutex_);
  if (!repeated_) repeated_ = PLATTER_TRY(RepeatedPlaces::Find(*storage_, header_, limits_));
  return repeated_->Contains(place);
}

Result<BlockRun> BlockMap::Decode(std::uint64_t block, std::uint32_t entry, std::uint64_t inside) {
  BlockRun run{header_.GuestBytes(block) - inside};
  if (entry == kNeverAllocated) return run;
  run.kind = entry == kDiscarded ? BlockKind::kZero : BlockKind::kData;
  if (entry == kDiscarded) return run;
  const auto wrong = [&](const char* what) {
    return Error(ErrorKind::kCorrupt, what)
        .At(fmt::format("block map at {:#x}", header_.map_offset), fmt::format("entry {}", block),
            header_.EntryOffset(block))
        .Found(entry);
  };
  if (entry >= header_.blocks || !FitsWithin(header_.HostOffset(entry), header_.GuestBytes(block), file_size_)) {
    return wrong("block lies outside the file")
        .Allowed(fmt::format("below {}, with {} bytes inside the file's {}", header_.blocks, header_.GuestBytes(block),
                             file_size_));
  }
  if (PLATTER_TRY(IsRepeated(entry))) {
    return wrong("block is used for more than one part of the disk")
        .Allowed("each place once")
        .Try("run platter check");
  }
  run.host = header_.HostOffset(entry) + inside;
  return run;
}

Result<BlockRun> BlockMap::BlockAt(std::uint64_t guest) {
  const std::uint64_t block = guest / header_.block_size;
  const std::uint64_t entry = PLATTER_TRY(entries_.Word(header_.EntryOffset(block)));
  return Decode(block, static_cast<std::uint32_t>(entry), guest % header_.block_size);
}

Result<BlockRun> BlockMap::At(ByteRange range) {
  BlockRun run = PLATTER_TRY(BlockAt(range.offset()));
  for (std::uint64_t passed = 1; run.length < range.length() && passed < kEntriesPerCall; ++passed) {
    const auto next = BlockAt(range.offset() + run.length);
    // What is wrong further on is the business of who asks for it.
    if (!next.ok() || !Continues(run, next.value())) break;
    run.length += next.value().length;
  }
  run.length = std::min(run.length, range.length());
  return run;
}

}  // namespace platter::vdi
