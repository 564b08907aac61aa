#include "formats/vdi/writer.h"

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vdi {
namespace {

constexpr std::uint32_t kUnit = 4096;  // zeros are looked for in pieces of this size
constexpr std::uint32_t kMaxAlignment = std::uint32_t{1} << 20;
constexpr std::size_t kMapBytes = 65536;
constexpr std::uint64_t kFillBytes = std::uint64_t{1} << 20;

Result<> FillWithZeros(Storage& storage, std::uint64_t offset, std::uint64_t length) {
  const std::vector<std::byte> zeros(std::min(kFillBytes, length));
  for (std::uint64_t done = 0; done < length;) {
    const auto part = std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), length - done));
    PLATTER_CHECK(storage.WriteAt(offset + done, part));
    done += part.size();
  }
  return Done{};
}

}  // namespace

Writer::Writer(CreateOptions options, std::shared_ptr<Storage> storage)
    : options_(std::move(options)), storage_(std::move(storage)) {
  traits_.unit = std::min(kUnit, options_.header.block_size);
  traits_.batch_alignment = std::min(kMaxAlignment, options_.header.block_size);
  map_.reserve(kMapBytes);
}

Result<> Writer::Start() {
  const Header& header = options_.header;
  if (storage_->size() != 0) PLATTER_CHECK(storage_->WriteAt(0, std::vector<std::byte>(header.map_offset)));
  const std::uint64_t length = header.blocks * header.stride();
  if (options_.preallocation == Preallocation::kFalloc) return storage_->Allocate(header.data_offset, length);
  if (options_.preallocation == Preallocation::kFull) return FillWithZeros(*storage_, header.data_offset, length);
  return Done{};
}

Result<> Writer::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    if (run.kind == Run::Kind::kData) PLATTER_CHECK(PlaceData(batch, run));
  }
  return Done{};
}

Result<> Writer::PlaceData(Batch& batch, const Run& run) {
  const Header& header = options_.header;
  for (std::uint64_t at = run.offset; at < run.end();) {
    const std::uint64_t inside = at % header.block_size;
    const std::uint64_t length = std::min(run.end() - at, header.block_size - inside);
    const auto place = PLATTER_TRY(PlaceOf(static_cast<std::uint32_t>(at / header.block_size)));
    const std::uint64_t host = header.HostOffset(place) + inside;
    const auto bytes = batch.bytes.subspan(at - batch.offset, length);
    HostWrite* const last = batch.writes.empty() ? nullptr : &batch.writes.back();
    const bool joins = last != nullptr && last->offset + last->bytes.size() == host &&
                       last->bytes.data() + last->bytes.size() == bytes.data();
    if (joins) {
      last->bytes = {last->bytes.data(), last->bytes.size() + bytes.size()};
    } else {
      batch.writes.push_back({storage_.get(), host, bytes, 0});
    }
    at += length;
  }
  return Done{};
}

Result<std::uint32_t> Writer::PlaceOf(std::uint32_t block) {
  if (block + 1 == next_block_) return last_place_;
  PLATTER_CHECK(FillMapTo(block));
  last_place_ = options_.places_all() ? block : next_place_;
  PLATTER_CHECK(ClearPlace(last_place_));
  PLATTER_CHECK(AppendEntry(last_place_));
  next_place_ = last_place_ + 1;
  return last_place_;
}

Result<> Writer::FillMapTo(std::uint32_t block) {
  while (next_block_ < block) {
    if (options_.places_all()) PLATTER_CHECK(ClearPlace(next_block_));
    PLATTER_CHECK(AppendEntry(options_.places_all() ? next_block_ : kNeverAllocated));
  }
  return Done{};
}

Result<> Writer::AppendEntry(std::uint32_t entry) {
  map_.resize(map_.size() + kEntrySize);
  StoreLe(map_.data() + map_.size() - kEntrySize, entry);
  ++next_block_;
  return map_.size() == kMapBytes ? FlushMap() : Done{};
}

Result<> Writer::FlushMap() {
  PLATTER_CHECK(storage_->WriteAt(options_.header.EntryOffset(map_flushed_), map_));
  map_flushed_ = next_block_;
  map_.clear();
  return Done{};
}

Result<> Writer::ClearPlace(std::uint32_t place) {
  if (!storage_->is_device()) return Done{};
  return storage_->Punch(options_.header.HostOffset(place), options_.header.block_size);
}

Result<> Writer::Finish() {
  Header& header = options_.header;
  PLATTER_CHECK(FillMapTo(header.blocks));
  if (!map_.empty()) PLATTER_CHECK(FlushMap());
  if (!options_.places_all()) header.allocated_blocks = next_place_;
  if (!storage_->is_device()) {
    PLATTER_CHECK(storage_->Resize(header.data_offset + header.allocated_blocks * header.stride()));
  }
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(0, SerializeHeader(header)));
  return storage_->Sync();
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "VDI images cannot be compressed");
  CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  auto writer = std::make_unique<Writer>(std::move(options), request.storage);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::vdi
