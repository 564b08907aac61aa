#include "formats/vhd/updater.h"

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhd/writer.h"

namespace platter::vhd {

Updater::Updater(Headers headers, std::shared_ptr<Storage> storage)
    : headers_(std::move(headers)),
      storage_(std::move(storage)),
      block_size_(headers_.sparse->block_size),
      bitmap_bytes_(headers_.sparse->bitmap_bytes()),
      all_set_(bitmap_bytes_, std::byte{0xFF}),
      whole_(bitmap_bytes_),
      bitmap_(bitmap_bytes_) {
  SetBits(whole_, 0, block_size_);
  traits_.batch_alignment = block_size_;
  traits_.starts_zeroed = false;
  traits_.looked_at = WriterTraits::kNothing;
}

Result<> Updater::Start(const Limits& limits) {
  const std::uint64_t count = DivideRoundingUp(headers_.virtual_size, block_size_);
  const std::uint64_t bytes = count * kTableEntrySize;
  if (bytes > limits.metadata_bytes) {
    return Error(ErrorKind::kLimit, "the block allocation table is too large to be changed")
        .In(storage_->name())
        .Found(bytes)
        .Allowed(std::to_string(limits.metadata_bytes) + " bytes");
  }
  table_.resize(count);
  PLATTER_CHECK(storage_->ReadAt(headers_.sparse->table_offset, std::as_writable_bytes(std::span(table_))));
  const bool has_footer = headers_.copies.back.state != FooterCopy::State::kAbsent;
  end_ = has_footer ? headers_.copies.back.offset : AlignUp(storage_->size(), kSectorSize);
  for (std::uint32_t& entry : table_) {
    entry = ToOrder<std::endian::big>(entry);
    if (entry == kUnallocated) continue;
    end_ = std::max(end_, entry * kSectorSize + headers_.sparse->stored_block_bytes());
  }
  old_end_ = end_;
  return Done{};
}

// Zeros are there already where a disk without a parent has no block.
bool Updater::Needs(const Run& run, std::uint64_t block) const noexcept {
  if (run.kind == Run::Kind::kBacking) return false;
  return run.kind == Run::Kind::kData || differencing() || table_[block] != kUnallocated;
}

Result<> Updater::Place(Batch& batch) {
  batch.writes.clear();
  batch.encoded.clear();
  // A block with a bitmap of its own has the end of a run in it; the spans in `writes` must stay where they are.
  batch.encoded.reserve((batch.runs.size() + 1) * bitmap_bytes_);
  in_block_.clear();
  for (const Run& run : batch.runs) {
    for (std::uint64_t at = run.offset; at < run.end();) {
      const std::uint64_t block = at / block_size_;
      const std::uint64_t part = std::min((block + 1) * block_size_, run.end()) - at;
      if (!in_block_.empty() && in_block_.front().offset / block_size_ != block) PLATTER_CHECK(PlaceBlock(batch));
      if (Needs(run, block)) in_block_.push_back({run.kind, at, part});
      at += part;
    }
  }
  return in_block_.empty() ? Result<>(Done{}) : PlaceBlock(batch);
}

Result<> Updater::PlaceBlock(Batch& batch) {
  const std::uint64_t block = in_block_.front().offset / block_size_;
  const bool fresh = table_[block] == kUnallocated;
  if (fresh) {
    table_[block] = static_cast<std::uint32_t>(end_ / kSectorSize);
    end_ += headers_.sparse->stored_block_bytes();
  }
  const std::uint64_t data = table_[block] * kSectorSize + bitmap_bytes_;
  if (fresh && storage_->is_device()) AppendZeros(batch, *storage_, data, block_size_);
  for (const Run& run : in_block_) {
    const std::uint64_t host = data + run.offset % block_size_;
    if (run.kind == Run::Kind::kData || !fresh) AppendRun(batch, *storage_, host, run);
  }
  PLATTER_CHECK(PlaceBitmap(batch, block, fresh));
  in_block_.clear();
  return Done{};
}

// Behind the data: a bit must not be set before its sector is written.
Result<> Updater::PlaceBitmap(Batch& batch, std::uint64_t block, bool fresh) {
  const std::uint64_t host = table_[block] * kSectorSize;
  if (fresh) {
    std::ranges::fill(bitmap_, differencing() ? std::byte{0} : std::byte{0xFF});
  } else {
    PLATTER_CHECK(storage_->ReadAt(host, bitmap_));
  }
  const std::vector<std::byte> before = bitmap_;
  for (const Run& run : in_block_) SetBits(bitmap_, run.offset % block_size_, run.length);
  if (!fresh && bitmap_ == before) return Done{};
  // Bits behind the block's last sector, of small blocks, may be anything.
  const auto covers = [](std::byte bits, std::byte whole) { return (bits & whole) == whole; };
  if (std::ranges::equal(bitmap_, whole_, covers)) {
    AppendWrite(batch, *storage_, host, all_set_);
    return Done{};
  }
  const std::size_t begin = batch.encoded.size();
  batch.encoded.insert(batch.encoded.end(), bitmap_.begin(), bitmap_.end());
  AppendWrite(batch, *storage_, host, std::span(batch.encoded).subspan(begin));
  return Done{};
}

Result<> Updater::WriteTable() {
  for (std::uint32_t& entry : table_) entry = ToOrder<std::endian::big>(entry);
  return storage_->WriteAt(headers_.sparse->table_offset, std::as_bytes(std::span(table_)));
}

Result<> Updater::Finish() {
  if (end_ == old_end_) return storage_->Sync();
  const auto footer = SerializeFooter(headers_.footer);
  PLATTER_CHECK(storage_->WriteAt(end_, footer));
  PLATTER_CHECK(storage_->WriteAt(0, footer));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(WriteTable());
  return storage_->Sync();
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  Storage& storage = *request.storage;
  if (request.compress) return Error(ErrorKind::kUnsupported, "VHD images cannot be compressed").In(storage.name());
  const Dialect dialect = request.context.dialect;
  Headers headers = PLATTER_TRY(LoadHeaders(storage, request.context.options, dialect));
  if (!headers.sparse) {
    if (headers.virtual_size > headers.copies.back.offset) {
      return Error(ErrorKind::kCorrupt, "the file is too short for the disk").In(storage.name());
    }
    return std::unique_ptr<ImageWriter>(std::make_unique<FixedWriter>(request.storage, headers.virtual_size, nullptr));
  }
  if (dialect == Dialect::kQemu && headers.footer.differencing()) {
    return Error(ErrorKind::kUnsupported, "a differencing VHD cannot be written without its parent").In(storage.name());
  }
  auto writer = std::make_unique<Updater>(std::move(headers), request.storage);
  PLATTER_CHECK(writer->Start(request.context.limits));
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::vhd
