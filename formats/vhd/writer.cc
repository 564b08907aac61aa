#include "formats/vhd/writer.h"

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vhd {
namespace {

constexpr std::size_t kPageEntries = 16384;  // of the table, written at once

// As a file of the host: zeros that are not there yet. A device keeps what was on it.
Result<> ZeroDevice(Storage& storage, std::uint64_t begin, std::uint64_t end) {
  return storage.is_device() && begin < end ? storage.Punch(begin, end - begin) : Done{};
}

}  // namespace

FixedWriter::FixedWriter(std::shared_ptr<Storage> storage, std::uint64_t virtual_size, const Footer* footer)
    : storage_(std::move(storage)), virtual_size_(virtual_size) {
  traits_.starts_zeroed = footer != nullptr && !storage_->is_device();
  if (traits_.starts_zeroed) traits_.host_alignment = WriterTraits::kSameOffset;
  traits_.looked_at = WriterTraits::kNothing;
  if (footer == nullptr) return;
  const auto bytes = SerializeFooter(*footer);
  footer_.assign(bytes.begin(), bytes.end());
}

Result<> FixedWriter::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    const bool zeros = run.kind == Run::Kind::kZero && !traits_.starts_zeroed;
    if (run.kind == Run::Kind::kData || zeros) AppendRun(batch, *storage_, run.offset, run);
    end_ = run.end();
  }
  return Done{};
}

Result<> FixedWriter::Finish() {
  if (footer_.empty()) return storage_->Sync();
  PLATTER_CHECK(ZeroDevice(*storage_, end_, virtual_size_));
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(virtual_size_));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(virtual_size_, footer_));
  return storage_->Sync();
}

SparseWriter::SparseWriter(CreateOptions options, std::shared_ptr<Storage> storage)
    : options_(std::move(options)),
      storage_(std::move(storage)),
      block_size_(options_.sparse->block_size),
      bitmap_bytes_(options_.sparse->bitmap_bytes()),
      all_set_(bitmap_bytes_, std::byte{0xFF}),
      table_(options_.sparse->table_entries, kUnallocated),
      end_(options_.sparse->table_offset + AlignUp<std::uint64_t>(table_.size() * kTableEntrySize, kSectorSize)) {
  traits_.batch_alignment = block_size_;
  traits_.starts_zeroed = !options_.footer.differencing();
  traits_.looked_at = WriterTraits::kNothing;
}

Result<> SparseWriter::Start() {
  if (storage_->size() == 0) return Done{};
  const std::vector<std::byte> zeros(FooterLayout::kSize);
  if (storage_->size() > zeros.size()) {
    PLATTER_CHECK(storage_->WriteAt(AlignUp(storage_->size(), kSectorSize) - kSectorSize, zeros));
  }
  return storage_->WriteAt(0, zeros);
}

bool SparseWriter::Stores(const Run& run) const noexcept {
  return run.kind == Run::Kind::kData || (run.kind == Run::Kind::kZero && options_.footer.differencing());
}

Result<> SparseWriter::Place(Batch& batch) {
  batch.writes.clear();
  batch.encoded.clear();
  // A block with a bitmap of its own has the end of a run in it; the spans in `writes` must stay where they are.
  if (options_.footer.differencing()) batch.encoded.reserve((batch.runs.size() + 1) * bitmap_bytes_);
  in_block_.clear();
  for (const Run& run : batch.runs) {
    for (std::uint64_t at = run.offset; Stores(run) && at < run.end();) {
      const std::uint64_t block = at / block_size_;
      if (!in_block_.empty() && in_block_.front().offset / block_size_ != block) PlaceBlock(batch);
      const std::uint64_t part = std::min((block + 1) * block_size_, run.end()) - at;
      in_block_.push_back({run.kind, at, part});
      at += part;
    }
  }
  if (!in_block_.empty()) PlaceBlock(batch);
  return Done{};
}

void SparseWriter::PlaceBlock(Batch& batch) {
  const std::uint64_t block = in_block_.front().offset / block_size_;
  const std::uint64_t data = end_ + bitmap_bytes_;
  table_[block] = static_cast<std::uint32_t>(end_ / kSectorSize);
  AppendWrite(batch, *storage_, end_, BitmapFor(batch, block));
  end_ = data + block_size_;
  std::uint64_t filled = 0;
  for (const Run& run : in_block_) {
    const std::uint64_t in_block = run.offset % block_size_;
    if (run.kind != Run::Kind::kData) continue;
    if (storage_->is_device()) AppendZeros(batch, *storage_, data + filled, in_block - filled);
    AppendRun(batch, *storage_, data + in_block, run);
    filled = in_block + run.length;
  }
  if (storage_->is_device()) AppendZeros(batch, *storage_, data + filled, block_size_ - filled);
  in_block_.clear();
}

// All bits set where the sectors that nobody wrote read as zero anyway, which is what other writers do.
std::span<const std::byte> SparseWriter::BitmapFor(Batch& batch, std::uint64_t block) const {
  std::uint64_t covered = 0;
  for (const Run& run : in_block_) covered += run.length;
  const std::uint64_t whole = std::min(block_size_, options_.virtual_size() - block * block_size_);
  if (!options_.footer.differencing() || covered >= whole) return all_set_;
  const std::size_t begin = batch.encoded.size();
  batch.encoded.resize(begin + bitmap_bytes_);
  const auto bitmap = std::span(batch.encoded).subspan(begin);
  for (const Run& run : in_block_) SetBits(bitmap, run.offset % block_size_, run.length);
  return bitmap;
}

Result<> SparseWriter::WriteTable() {
  std::vector<std::byte> page;
  const std::size_t padded = AlignUp<std::size_t>(table_.size() * kTableEntrySize, kSectorSize) / kTableEntrySize;
  for (std::size_t first = 0; first < padded; first += kPageEntries) {
    const std::size_t count = std::min(kPageEntries, padded - first);
    page.resize(count * kTableEntrySize);
    for (std::size_t index = 0; index < count; ++index) {
      const std::uint32_t entry = first + index < table_.size() ? table_[first + index] : kUnallocated;
      StoreBe(page.data() + index * kTableEntrySize, entry);
    }
    PLATTER_CHECK(storage_->WriteAt(options_.sparse->table_offset + first * kTableEntrySize, page));
  }
  return Done{};
}

Result<> SparseWriter::Finish() {
  PLATTER_CHECK(WriteTable());
  const auto header = SerializeSparseHeader(*options_.sparse);
  const auto footer = SerializeFooter(options_.footer);
  PLATTER_CHECK(storage_->WriteAt(options_.footer.data_offset, header));
  PLATTER_CHECK(storage_->WriteAt(options_.footer.data_offset + header.size(), options_.locators));
  if (!storage_->is_device()) PLATTER_CHECK(storage_->Resize(end_));
  PLATTER_CHECK(storage_->Sync());
  PLATTER_CHECK(storage_->WriteAt(0, footer));
  PLATTER_CHECK(storage_->WriteAt(end_, footer));
  return storage_->Sync();
}

void SetBits(std::span<std::byte> bitmap, std::uint64_t in_block, std::uint64_t length) noexcept {
  const std::uint64_t end = DivideRoundingUp(in_block + length, kSectorSize);
  for (std::uint64_t sector = in_block / kSectorSize; sector < end; ++sector) {
    bitmap[sector / 8] |= std::byte{0x80} >> (sector % 8);
  }
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  Storage& storage = *request.storage;
  if (request.compress) return Error(ErrorKind::kUnsupported, "VHD images cannot be compressed").In(storage.name());
  CreateOptions options =
      PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size, request.backing_id, storage.name()));
  if (options.sparse) {
    auto writer = std::make_unique<SparseWriter>(std::move(options), request.storage);
    PLATTER_CHECK(writer->Start());
    return std::unique_ptr<ImageWriter>(std::move(writer));
  }
  const std::uint64_t needed = options.virtual_size() + FooterLayout::kSize;
  if (storage.is_device() && storage.size() != needed) {
    return Error(ErrorKind::kInvalid, "a fixed VHD ends with its footer: the device has another size")
        .In(storage.name())
        .Found(storage.size())
        .Allowed(std::to_string(needed));
  }
  return std::unique_ptr<ImageWriter>(
      std::make_unique<FixedWriter>(request.storage, options.virtual_size(), &options.footer));
}

}  // namespace platter::vhd
