#include "formats/vmdk/extent_updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vmdk {
namespace {

// qemu does not write version 3 either: it may come with a record of changed blocks, which would be wrong from then on.
constexpr std::uint32_t kLastWrittenVersion = 2;

// The kind of extent that is only read; "" for one that can be written.
std::string KindOnlyRead(const ExtentFile& extent) {
  if (extent.zero()) return "of type ZERO";
  if (extent.grains == nullptr) return "";
  switch (extent.grains->tables().entries) {
    case GrainTables::Entries::kCowd:
      return "of the kind COWD";
    case GrainTables::Entries::kSeSparse:
      return "of type SESPARSE";
    case GrainTables::Entries::kHosted:
      break;
  }
  const bool stream = extent.hosted->stream_trailer || extent.grains->tables().compressed;
  return stream ? "of the kind streamOptimized" : "";
}

Result<> CheckHosted(const HostedExtent& hosted) {
  if (hosted.header.version > kLastWrittenVersion) {
    return Error(ErrorKind::kUnsupported, fmt::format("VMDK version {} must be read only", hosted.header.version))
        .At("VMDK header", "version", SparseHeaderLayout::kVersion.offset)
        .Found(hosted.header.version)
        .Allowed(fmt::format("up to {}", kLastWrittenVersion));
  }
  if (!hosted.directory_damaged) return Done{};
  return Error(ErrorKind::kCorrupt, "the grain directory is damaged, only its copy is sound")
      .At("VMDK header", "gdOffset", SparseHeaderLayout::kDirectoryOffset.offset)
      .Try("convert the image into a new one");
}

}  // namespace

Result<> ExtentUpdater::Check(const ExtentFile& extent, const Limits& limits) {
  if (extent.line.access != Access::kReadWrite) {
    return Error(ErrorKind::kUnsupported, "the descriptor lets this extent be read only")
        .At("VMDK descriptor", "extent description")
        .Found("RDONLY")
        .Allowed("RW");
  }
  const std::string kind = KindOnlyRead(extent);
  if (!kind.empty()) {
    return Error(ErrorKind::kUnsupported, fmt::format("existing extents {} cannot be written", kind))
        .Try("convert into a new image");
  }
  if (extent.grains == nullptr) return Done{};
  PLATTER_CHECK(CheckHosted(*extent.hosted));
  PLATTER_CHECK(GrainPlaces::Of(extent, limits));
  return Done{};
}

Result<> ExtentUpdater::Start(const Limits& limits) {
  started_ = true;
  if (extent_->grains == nullptr) return Done{};
  places_ = PLATTER_TRY(GrainPlaces::Of(*extent_, limits));
  entries_.resize(extent_->grains->tables().table_bytes());
  return MarkUnclean(true);
}

// What was unclean before stays so.
Result<> ExtentUpdater::MarkUnclean(bool unclean) {
  const std::array mark = {std::byte{unclean || extent_->hosted->header.unclean}};
  return extent_->storage->WriteAt(SparseHeaderLayout::kUncleanShutdown.offset, mark);
}

Result<> ExtentUpdater::Place(Batch& batch, const Run& part) {
  if (extent_->grains == nullptr) {
    const std::uint64_t host = extent_->offset + (part.offset - extent_->begin);
    if (part.kind == Run::Kind::kZero) {
      AppendZeros(batch, *extent_->storage, host, part.length);
    } else {
      AppendWrite(batch, *extent_->storage, host, batch.bytes.subspan(part.offset - batch.offset, part.length));
    }
    return Done{};
  }
  const std::uint64_t grain_size = extent_->grains->tables().grain_size;
  for (std::uint64_t at = part.offset; at < part.end();) {
    const std::uint64_t length = std::min(part.end() - at, grain_size - (at - extent_->begin) % grain_size);
    PLATTER_CHECK(PlaceInGrain(batch, {part.kind, at, length}));
    at += length;
  }
  return Done{};
}

Result<> ExtentUpdater::PlaceInGrain(Batch& batch, const Run& part) {
  const GrainTables& tables = extent_->grains->tables();
  const std::uint64_t guest = part.offset - extent_->begin;
  const std::uint64_t inside = guest % tables.grain_size;
  const std::uint64_t whole = std::min(tables.grain_size, extent_->length - (guest - inside));
  const std::uint64_t entry = guest % tables.table_span() / tables.grain_size;
  const bool zero = part.kind == Run::Kind::kZero;
  PLATTER_CHECK(EnterTable(guest / tables.table_span()));
  const std::uint32_t found = Entry(entry);
  const bool zeroed = found == kZeroedGrain && tables.zeroed_grains;
  if (found == kNoGrain || zeroed) {
    const bool from_parent = has_parent_ && !zeroed;
    if (from_parent && part.length != whole) {
      return Error(ErrorKind::kUnsupported, "the source ends inside a grain of which the rest lies in the parent")
          .Found(part.end())
          .Allowed(fmt::format("a multiple of {}", tables.grain_size))
          .In(extent_->storage->name());
    }
    if (zero && !from_parent) return Done{};
    if (zero && tables.zeroed_grains) {
      SetEntry(entry, kZeroedGrain);
      return Done{};
    }
    PLATTER_CHECK(AddGrain(entry));
  }
  const std::uint32_t sector = Entry(entry);
  const std::uint64_t host = sector * kSectorSize + inside;
  if (!zero) {
    AppendWrite(batch, *extent_->storage, host, batch.bytes.subspan(part.offset - batch.offset, part.length));
  } else if (sector != last_added_) {
    AppendZeros(batch, *extent_->storage, host, part.length);
  }
  return Done{};
}

Result<> ExtentUpdater::AddGrain(std::uint64_t entry) {
  Storage& storage = *extent_->storage;
  const std::uint64_t grain_size = extent_->grains->tables().grain_size;
  const std::uint64_t host = PLATTER_TRY(places_->Take());
  if (storage.is_device() && !FitsWithin(host, grain_size, storage.size())) {
    return Error(ErrorKind::kOutOfRange, "the device has no room for another grain").In(storage.name());
  }
  end_ = std::max(end_, host + grain_size);
  last_added_ = static_cast<std::uint32_t>(host / kSectorSize);
  SetEntry(entry, last_added_);
  // What was there before is nobody's.
  return clear_(storage, host, grain_size);
}

std::uint32_t ExtentUpdater::Entry(std::uint64_t entry) const noexcept {
  return LoadLe<std::uint32_t>(entries_.data() + entry * kEntrySize);
}

void ExtentUpdater::SetEntry(std::uint64_t entry, std::uint32_t sector) noexcept {
  StoreLe(entries_.data() + entry * kEntrySize, sector);
  dirty_ = true;
}

Result<> ExtentUpdater::EnterTable(std::uint64_t index) {
  if (table_ == index) return Done{};
  PLATTER_CHECK(WriteTable());
  table_ = std::nullopt;
  const std::uint64_t at = PLATTER_TRY(extent_->grains->TableAt(index, false));
  PLATTER_CHECK(extent_->storage->ReadAt(at, entries_));
  table_ = index;
  return Done{};
}

Result<> ExtentUpdater::WriteTable() {
  if (!dirty_) return Done{};
  for (const bool redundant : {true, false}) {
    if (redundant && extent_->grains->tables().redundant == 0) continue;
    const std::uint64_t at = PLATTER_TRY(extent_->grains->TableAt(*table_, redundant));
    PLATTER_CHECK(extent_->storage->WriteAt(at, entries_));
  }
  dirty_ = false;
  return Done{};
}

Result<> ExtentUpdater::Leave() {
  PLATTER_CHECK(WriteTable());
  table_ = std::nullopt;
  entries_ = {};
  places_ = std::nullopt;
  return Done{};
}

Result<> ExtentUpdater::Finish() {
  Storage& storage = *extent_->storage;
  if (!storage.is_device() && storage.size() < end_) PLATTER_CHECK(storage.Resize(end_));
  PLATTER_CHECK(storage.Sync());
  if (extent_->grains == nullptr) return Done{};
  PLATTER_CHECK(MarkUnclean(false));
  return storage.Sync();
}

}  // namespace platter::vmdk
