#include "formats/core/entry_table.h"

namespace platter {

Result<std::uint32_t> EntryWindow::Get(std::uint64_t index) {
  if (piece_.empty() || index < first_ || index - first_ >= piece_.size() / kTableEntryBytes) {
    PLATTER_CHECK(Flush());
    first_ = index / kTablePieceEntries * kTablePieceEntries;
    piece_.resize(std::min(kTablePieceEntries, count_ - first_) * kTableEntryBytes);
    auto read = storage_.ReadAt(offset_ + first_ * kTableEntryBytes, piece_);
    if (!read.ok()) {
      piece_.clear();
      return std::move(read).error();
    }
  }
  return LoadLe<std::uint32_t>(piece_.data() + (index - first_) * kTableEntryBytes);
}

void EntryWindow::Set(std::uint64_t index, std::uint32_t entry) {
  StoreLe(piece_.data() + (index - first_) * kTableEntryBytes, entry);
  changed_ = true;
}

Result<> EntryWindow::Flush() {
  if (changed_) PLATTER_CHECK(storage_.WriteAt(offset_ + first_ * kTableEntryBytes, piece_));
  changed_ = false;
  return Done{};
}

EntryAppender::EntryAppender(Storage& storage, std::uint64_t offset) : storage_(storage), offset_(offset) {
  piece_.reserve(kTablePieceEntries * kTableEntryBytes);
}

Result<> EntryAppender::Append(std::uint32_t entry) {
  piece_.resize(piece_.size() + kTableEntryBytes);
  StoreLe(piece_.data() + piece_.size() - kTableEntryBytes, entry);
  ++next_;
  return piece_.size() == kTablePieceEntries * kTableEntryBytes ? Flush() : Done{};
}

Result<> EntryAppender::Flush() {
  const std::uint64_t first = next_ - piece_.size() / kTableEntryBytes;
  if (!piece_.empty()) PLATTER_CHECK(storage_.WriteAt(offset_ + first * kTableEntryBytes, piece_));
  piece_.clear();
  return Done{};
}

}  // namespace platter
