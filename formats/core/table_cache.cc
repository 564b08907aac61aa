#include "formats/core/table_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"

namespace platter {
namespace {

constexpr std::uint64_t kMinPageBytes = 4096;
constexpr std::uint64_t kMaxPageBytes = 65536;

constexpr std::size_t SizeOf(TableWord word) noexcept {
  return word == TableWord::kBig64 || word == TableWord::kLittle64 ? sizeof(std::uint64_t) : sizeof(std::uint32_t);
}

// What a page takes in memory, where every entry has 64 bits.
constexpr std::uint64_t HeldBytes(std::uint64_t page_bytes, TableWord word) noexcept {
  return page_bytes / SizeOf(word) * sizeof(std::uint64_t);
}

// Decodes in place: the file's bytes fill the front of `words`. From the back, because narrow entries spread out.
template <typename Word, std::endian kOrder>
void Decode(std::span<std::uint64_t> words) noexcept {
  const std::byte* bytes = std::as_bytes(words).data();
  for (std::size_t at = words.size(); at-- > 0;) words[at] = Load<Word, kOrder>(bytes + at * sizeof(Word));
}

void Decode(std::span<std::uint64_t> words, TableWord word) noexcept {
  switch (word) {
    case TableWord::kBig64:
      return Decode<std::uint64_t, std::endian::big>(words);
    case TableWord::kBig32:
      return Decode<std::uint32_t, std::endian::big>(words);
    case TableWord::kLittle64:
      return Decode<std::uint64_t, std::endian::little>(words);
    case TableWord::kLittle32:
      return Decode<std::uint32_t, std::endian::little>(words);
  }
}

}  // namespace

TableCache::TableCache(std::shared_ptr<Storage> storage, std::uint64_t table_bytes, std::uint64_t capacity,
                       TableWord word)
    : storage_(std::move(storage)),
      word_(word),
      page_bytes_(std::clamp(table_bytes, kMinPageBytes, kMaxPageBytes)),
      ways_(std::clamp<std::uint64_t>(capacity / HeldBytes(page_bytes_, word), 1, kWays)),
      sets_(std::bit_floor(std::max<std::uint64_t>(capacity / HeldBytes(page_bytes_, word) / kWays, 1))) {}

TableCache::Set& TableCache::SetFor(std::uint64_t offset) noexcept {
  // Tables often lie at regular distances; the multiplication spreads them over the sets.
  constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;
  return sets_[((offset / page_bytes_ * kSpread) >> 32) & (sets_.size() - 1)];
}

std::shared_ptr<const TablePage> TableCache::Find(Set& set, std::uint64_t offset) const {
  const std::lock_guard lock(set.mutex);
  for (Slot& slot : set.slots) {
    if (slot.page == nullptr || slot.page->offset != offset) continue;
    slot.last_use = ++set.uses;
    return slot.page;
  }
  return nullptr;
}

void TableCache::Keep(Set& set, std::shared_ptr<const TablePage> page) const {
  const std::lock_guard lock(set.mutex);
  const auto usable = std::span(set.slots).first(ways_);
  const auto same = [&](const Slot& slot) { return slot.page != nullptr && slot.page->offset == page->offset; };
  if (std::ranges::any_of(usable, same)) return;  // another thread was faster
  Slot& oldest = *std::ranges::min_element(usable, {}, &Slot::last_use);
  oldest = {std::move(page), ++set.uses};
}

Result<std::shared_ptr<const TablePage>> TableCache::Load(std::uint64_t offset) const {
  auto page = std::make_shared<TablePage>();
  page->offset = offset;
  page->words.resize(page_bytes_ / SizeOf(word_));
  PLATTER_CHECK(storage_->ReadPadded(offset, std::as_writable_bytes(std::span(page->words)).first(page_bytes_)));
  Decode(page->words, word_);
  return std::shared_ptr<const TablePage>(std::move(page));
}

Result<std::shared_ptr<const TablePage>> TableCache::Get(std::uint64_t offset) {
  offset = AlignDown(offset, page_bytes_);
  Set& set = SetFor(offset);
  if (auto page = Find(set, offset)) return page;
  auto page = PLATTER_TRY(Load(offset));
  Keep(set, page);
  return page;
}

Result<std::uint64_t> TableCache::Word(std::uint64_t offset) {
  const auto page = PLATTER_TRY(Get(offset));
  return page->words[(offset - page->offset) / SizeOf(word_)];
}

Result<std::uint64_t> TableCache::CountZeros(std::uint64_t offset, std::uint64_t most) {
  const std::uint64_t entry_size = SizeOf(word_);
  std::uint64_t count = 0;
  std::uint64_t data_end = 0;  // of what has to be read
  while (count < most) {
    const std::uint64_t at = offset + count * entry_size;
    if (at >= storage_->size()) return most;
    // Most often the first page ends it, and the host is not asked.
    if (count != 0 && at >= data_end) {
      const DataRun run = PLATTER_TRY(storage_->DataMap(at));
      data_end = at + run.length;
      const std::uint64_t skipped = run.data ? 0 : run.length / entry_size;
      count += std::min(most - count, skipped);
      if (skipped != 0) continue;
    }
    const auto page = PLATTER_TRY(Get(at));
    const auto words = std::span(page->words).subspan((at - page->offset) / entry_size);
    const auto looked_at = words.first(std::min<std::uint64_t>(words.size(), most - count));
    const auto used = std::ranges::find_if(looked_at, [](std::uint64_t word) { return word != 0; });
    count += static_cast<std::uint64_t>(used - looked_at.begin());
    if (used != looked_at.end()) break;
  }
  return count;
}

}  // namespace platter
