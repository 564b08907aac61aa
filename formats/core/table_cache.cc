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

}  // namespace

TableCache::TableCache(std::shared_ptr<Storage> storage, std::uint64_t table_bytes, std::uint64_t capacity)
    : storage_(std::move(storage)),
      page_bytes_(std::clamp(table_bytes, kMinPageBytes, kMaxPageBytes)),
      ways_(std::clamp<std::uint64_t>(capacity / page_bytes_, 1, kWays)),
      sets_(std::bit_floor(std::max<std::uint64_t>(capacity / page_bytes_ / kWays, 1))) {}

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
  page->words.resize(page_bytes_ / sizeof(std::uint64_t));
  PLATTER_CHECK(storage_->ReadPadded(offset, std::as_writable_bytes(std::span(page->words))));
  for (std::uint64_t& word : page->words) word = ToOrder<std::endian::big>(word);
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

}  // namespace platter
