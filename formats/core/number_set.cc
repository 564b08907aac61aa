#include "formats/core/number_set.h"

namespace platter {

bool NumberSet::Contains(std::uint32_t number) const {
  const auto page = pages_.find(number / kPageBits);
  if (page == pages_.end()) return false;
  const std::uint32_t bit = number % kPageBits;
  return ((*page->second)[bit / kWordBits] >> bit % kWordBits & 1) != 0;
}

bool NumberSet::Add(std::uint32_t number) {
  std::unique_ptr<Page>& page = pages_[number / kPageBits];
  if (page == nullptr) page = std::make_unique<Page>();
  const std::uint32_t bit = number % kPageBits;
  std::uint64_t& word = (*page)[bit / kWordBits];
  const std::uint64_t mask = std::uint64_t{1} << bit % kWordBits;
  const bool fresh = (word & mask) == 0;
  word |= mask;
  return fresh;
}

}  // namespace platter
