#include "formats/vhdx/writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhdx/block_map.h"
#include "formats/vhdx/region_table.h"

namespace platter::vhdx {
namespace {

constexpr std::uint64_t kUnit = 4096;
constexpr std::uint64_t kBatchAlignment = 65536;
constexpr std::string_view kCreator = "Platter";

std::uint64_t EmptyEntry(const CreateOptions& options) noexcept {
  const bool marked = options.zero_state && !options.has_parent() && !options.metadata.geometry.fixed;
  return MakeBatEntry(marked ? BlockState::kZero : BlockState::kNotPresent);
}

// Leaves out pages of zeros, which a new file has already.
Result<> WriteSparse(Storage& storage, std::uint64_t offset, std::span<const std::byte> bytes) {
  if (storage.is_device()) return storage.WriteAt(offset, bytes);
  for (std::size_t at = 0; at < bytes.size(); at += kSector) {
    const auto page = bytes.subspan(at, std::min<std::size_t>(kSector, bytes.size() - at));
    const bool zero = std::ranges::all_of(page, [](std::byte byte) { return byte == std::byte{0}; });
    if (!zero) PLATTER_CHECK(storage.WriteAt(offset + at, page));
  }
  return Done{};
}

}  // namespace

FileLayout LayOut(const CreateOptions& options) noexcept {
  FileLayout layout;
  const std::uint64_t table = options.metadata.geometry.bat_entries() * kBatEntrySize;
  layout.log = {kHeaderSectionEnd, options.log_size};
  layout.metadata = {layout.log.end(), kMiB};
  layout.bat = {layout.metadata.end(), std::max(AlignUp(table, kMiB), kMiB)};
  layout.payload = layout.bat.end();
  return layout;
}

Writer::Writer(CreateOptions options, std::shared_ptr<Storage> storage)
    : options_(std::move(options)),
      geometry_(options_.metadata.geometry),
      storage_(std::move(storage)),
      traits_{.unit = kUnit,
              .batch_alignment = kBatchAlignment,
              .starts_zeroed = !options_.has_parent(),
              .host_alignment = kMiB,
              .looked_at = WriterTraits::kNothing},
      layout_(LayOut(options_)),
      bat_(geometry_, *storage_, EmptyEntry(options_)),
      next_host_(layout_.payload),
      bitmap_(options_.has_parent() ? kBitmapBlockSize : 0) {
  bat_.set_offset(layout_.bat.offset);
}

Result<> Writer::Start() {
  if (storage_->size() == 0) return Done{};
  return storage_->WriteAt(0, std::vector<std::byte>(kHeaderSectionEnd));
}

Result<> Writer::Place(Batch& batch) {
  batch.writes.clear();
  PLATTER_CHECK(AdvanceTo(batch, batch.offset));
  for (const Run& run : batch.runs) PLATTER_CHECK(PlaceRun(batch, run));
  position_ = batch.offset + batch.length;
  return Done{};
}

Result<> Writer::AdvanceTo(Batch& batch, std::uint64_t guest_offset) {
  if (guest_offset <= position_) return Done{};
  PLATTER_CHECK(PlaceRun(batch, {Run::Kind::kBacking, position_, guest_offset - position_}));
  position_ = guest_offset;
  return Done{};
}

Result<> Writer::PlaceRun(Batch& batch, const Run& run) {
  const std::uint64_t block_size = geometry_.block_size;
  for (std::uint64_t at = run.offset; at < run.end();) {
    const std::uint64_t rest = run.end() - at;
    if (run.kind != Run::Kind::kData && at % block_size == 0 && rest >= block_size) {
      PLATTER_CHECK(CloseBlock(batch));
      PLATTER_CHECK(PassBlocks(batch, run.kind, at / block_size, rest / block_size));
      at += AlignDown(rest, block_size);
      continue;
    }
    const std::uint64_t length = std::min(rest, block_size - at % block_size);
    PLATTER_CHECK(PlaceInBlock(batch, {run.kind, at, length}));
    at += length;
  }
  return Done{};
}

Result<> Writer::PassBlocks(Batch& batch, Run::Kind kind, std::uint64_t first, std::uint64_t count) {
  const bool said = options_.has_parent() && kind == Run::Kind::kZero;
  if (!said && !geometry_.fixed) return Done{};
  for (std::uint64_t block = first; block < first + count; ++block) {
    PLATTER_CHECK(EnterChunk(block / geometry_.chunk_ratio()));
    std::uint64_t entry = MakeBatEntry(BlockState::kZero);
    if (geometry_.fixed) {
      entry = MakeBatEntry(BlockState::kFullyPresent, next_host_);
      ClearPlace(batch, next_host_, geometry_.block_size);
      next_host_ += geometry_.block_size;
    }
    PLATTER_CHECK(bat_.Set(geometry_.PayloadEntry(block), entry));
  }
  return Done{};
}

// Requires: the part lies inside one block.
Result<> Writer::PlaceInBlock(Batch& batch, const Run& part) {
  const std::uint64_t index = part.offset / geometry_.block_size;
  if (block_.index != index) {
    PLATTER_CHECK(CloseBlock(batch));
    PLATTER_CHECK(OpenBlockAt(index));
  }
  const std::uint64_t in_block = part.offset % geometry_.block_size;
  if ((part.kind == Run::Kind::kData || geometry_.fixed) && block_.host == 0) AllocateOpenBlock(batch, in_block);
  if (part.kind == Run::Kind::kBacking && options_.has_parent()) {
    block_.backing = true;
  } else {
    MarkSectors(part.offset, part.length);
  }
  if (part.kind == Run::Kind::kData) {
    AppendRun(batch, *storage_, block_.host + in_block, part);
    return Done{};
  }
  block_.zero = block_.zero || part.kind == Run::Kind::kZero;
  if (block_.host != 0) ClearPlace(batch, block_.host + in_block, part.length);
  return Done{};
}

Result<> Writer::OpenBlockAt(std::uint64_t index) {
  PLATTER_CHECK(EnterChunk(index / geometry_.chunk_ratio()));
  block_ = {.index = index};
  return Done{};
}

// `filled`: bytes of the block that are placed already, as zeros or as the parent's.
void Writer::AllocateOpenBlock(Batch& batch, std::uint64_t filled) {
  block_.host = next_host_;
  next_host_ += geometry_.block_size;
  ClearPlace(batch, block_.host, filled);
}

Result<> Writer::CloseBlock(Batch& batch) {
  if (block_.index == kNoBlock) return Done{};
  const OpenBlock block = block_;
  const std::uint64_t guest = block.index * geometry_.block_size;
  const std::uint64_t used = std::min(geometry_.block_size, geometry_.virtual_size - guest);
  const bool mixed = options_.has_parent() && block.zero && block.backing;
  if (block.host == 0 && mixed) AllocateOpenBlock(batch, used);
  if (block_.host != 0) {
    ClearPlace(batch, block_.host + used, geometry_.block_size - used);
    const bool partial = block.backing;
    chunk_has_partial_ = chunk_has_partial_ || partial;
    const BlockState state = partial ? BlockState::kPartiallyPresent : BlockState::kFullyPresent;
    PLATTER_CHECK(bat_.Set(geometry_.PayloadEntry(block.index), MakeBatEntry(state, block_.host)));
  } else if (options_.has_parent() && block.zero) {
    PLATTER_CHECK(bat_.Set(geometry_.PayloadEntry(block.index), MakeBatEntry(BlockState::kZero)));
  }
  block_ = {};
  return Done{};
}

void Writer::ClearPlace(Batch& batch, std::uint64_t host, std::uint64_t length) {
  if (storage_->is_device()) AppendZeros(batch, *storage_, host, length);
}

// These sectors are not the parent's.
void Writer::MarkSectors(std::uint64_t guest_offset, std::uint64_t length) {
  if (bitmap_.empty()) return;
  const std::uint64_t chunk_bytes = geometry_.chunk_ratio() * geometry_.block_size;
  const std::uint64_t first = guest_offset % chunk_bytes / geometry_.logical_sector;
  const std::uint64_t end = first + DivideRoundingUp(length, geometry_.logical_sector);
  for (std::uint64_t sector = first; sector < end;) {
    if (sector % 8 == 0 && end - sector >= 8) {
      bitmap_[sector / 8] = std::byte{0xFF};
      sector += 8;
    } else {
      bitmap_[sector / 8] |= std::byte{1} << (sector % 8);
      ++sector;
    }
  }
}

Result<> Writer::EnterChunk(std::uint64_t chunk) {
  if (chunk == chunk_) return Done{};
  PLATTER_CHECK(CloseChunk());
  chunk_ = chunk;
  return Done{};
}

Result<> Writer::CloseChunk() {
  if (chunk_has_partial_) {
    PLATTER_CHECK(storage_->WriteAt(next_host_, bitmap_));
    PLATTER_CHECK(bat_.Set(geometry_.BitmapEntry(chunk_), MakeBatEntry(BlockState::kFullyPresent, next_host_)));
    next_host_ += kBitmapBlockSize;
    chunk_has_partial_ = false;
  }
  std::ranges::fill(bitmap_, std::byte{0});
  return Done{};
}

Result<> Writer::Finish() {
  Batch rest;
  PLATTER_CHECK(AdvanceTo(rest, geometry_.virtual_size));
  PLATTER_CHECK(CloseBlock(rest));
  PLATTER_CHECK(Store(rest));
  PLATTER_CHECK(CloseChunk());
  PLATTER_CHECK(bat_.Finish());
  PLATTER_CHECK(WriteSparse(*storage_, layout_.metadata.offset, SerializeMetadata(options_.metadata)));
  const std::vector<std::byte> regions = SerializeRegionTable(layout_.bat, layout_.metadata);
  for (const std::uint64_t offset : kRegionTableOffsets) PLATTER_CHECK(WriteSparse(*storage_, offset, regions));
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(next_host_));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(WriteHeaders());
  return storage_->Sync();
}

Result<> Writer::WriteHeaders() {
  const std::string name = options_.metadata.disk_id.Text();
  const auto fresh = [&](const char* role) {
    return options_.reproducible ? Guid::FromName(name + role) : Guid::Random();
  };
  Header header{.sequence = 1,
                .file_write = fresh(" file write"),
                .data_write = fresh(" data write"),
                .log_guid = {},
                .log = layout_.log};
  PLATTER_CHECK(WriteSparse(*storage_, FileIdentifier::kOffset, SerializeFileIdentifier(kCreator)));
  for (const std::uint64_t offset : kHeaderOffsets) {
    PLATTER_CHECK(storage_->WriteAt(offset, SerializeHeader(header)));
    ++header.sequence;
  }
  return Done{};
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  if (request.compress) {
    return Error(ErrorKind::kUnsupported, "VHDX images cannot be compressed").In(request.storage->name());
  }
  CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size, request.backing_id));
  auto writer = std::make_unique<Writer>(std::move(options), request.storage);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::vhdx
