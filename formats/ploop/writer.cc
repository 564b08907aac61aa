#include "formats/ploop/writer.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/core/checked.h"

namespace platter::ploop {
namespace {

constexpr std::uint64_t kUnit = 4096;  // zeros are looked for in pieces of this size
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;
constexpr std::size_t kTableBytes = 65536;
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

Writer::Writer(const CreateOptions& options, std::shared_ptr<Storage> storage)
    : options_(options), storage_(std::move(storage)) {
  const std::uint64_t cluster_size = options_.header.cluster_size;
  traits_.unit = kUnit;
  // Batches of whole clusters where those are powers of two; others are cut where they have to be.
  if (std::has_single_bit(cluster_size)) traits_.unit = std::min(kUnit, cluster_size);
  traits_.batch_alignment = traits_.unit;
  if (std::has_single_bit(cluster_size)) traits_.batch_alignment = std::min(cluster_size, kMaxAlignment);
  table_.reserve(kTableBytes);
}

Result<> Writer::Start() {
  const Header& header = options_.header;
  if (storage_->size() != 0) PLATTER_CHECK(storage_->WriteAt(0, std::vector<std::byte>(HeaderLayout::kSize)));
  const std::uint64_t length = header.entries * header.cluster_size;
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
  const std::uint64_t cluster_size = options_.header.cluster_size;
  for (std::uint64_t at = run.offset; at < run.end();) {
    const std::uint64_t inside = at % cluster_size;
    const std::uint64_t length = std::min(run.end() - at, cluster_size - inside);
    const std::uint64_t host = PLATTER_TRY(HostOf(static_cast<std::uint32_t>(at / cluster_size))) + inside;
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

std::uint32_t Writer::EntryAt(std::uint32_t place) const noexcept {
  return options_.header.EntryOf(options_.header.PlaceOffset(place));
}

Result<std::uint64_t> Writer::HostOf(std::uint32_t cluster) {
  if (cluster + 1 != next_cluster_) {
    PLATTER_CHECK(FillTableTo(cluster));
    last_place_ = options_.places_all() ? cluster : next_place_;
    PLATTER_CHECK(ClearPlace(last_place_));
    PLATTER_CHECK(AppendEntry(EntryAt(last_place_)));
    next_place_ = last_place_ + 1;
  }
  return options_.header.PlaceOffset(last_place_);
}

Result<> Writer::FillTableTo(std::uint32_t cluster) {
  while (next_cluster_ < cluster) {
    if (!options_.places_all() && table_.empty() && !storage_->is_device()) {
      next_cluster_ += std::min<std::uint32_t>(cluster - next_cluster_, kTableBytes / kEntrySize);
      table_begin_ = next_cluster_;
      continue;
    }
    if (options_.places_all()) PLATTER_CHECK(ClearPlace(next_cluster_));
    PLATTER_CHECK(AppendEntry(options_.places_all() ? EntryAt(next_cluster_) : 0));
  }
  return Done{};
}

Result<> Writer::AppendEntry(std::uint32_t entry) {
  table_.resize(table_.size() + kEntrySize);
  StoreLe(table_.data() + table_.size() - kEntrySize, entry);
  ++next_cluster_;
  return table_.size() == kTableBytes ? FlushTable() : Done{};
}

Result<> Writer::FlushTable() {
  PLATTER_CHECK(storage_->WriteAt(options_.header.EntryOffset(table_begin_), table_));
  table_begin_ = next_cluster_;
  table_.clear();
  return Done{};
}

Result<> Writer::ClearPlace(std::uint32_t place) {
  if (!storage_->is_device()) return Done{};
  return storage_->Punch(options_.header.PlaceOffset(place), options_.header.cluster_size);
}

Result<> Writer::Finish() {
  const Header& header = options_.header;
  PLATTER_CHECK(FillTableTo(header.entries));
  if (!table_.empty()) PLATTER_CHECK(FlushTable());
  const std::uint32_t places = options_.places_all() ? header.entries : next_place_;
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(header.PlaceOffset(places)));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(0, SerializeHeader(header)));
  return storage_->Sync();
}

}  // namespace platter::ploop
