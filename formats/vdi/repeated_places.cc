#include "formats/vdi/repeated_places.h"

#include <string>

namespace platter::vdi {

bool BlockSet::Contains(std::uint32_t block) const {
  const auto page = pages_.find(block / kPageBits);
  if (page == pages_.end()) return false;
  const std::uint32_t bit = block % kPageBits;
  return ((*page->second)[bit / kWordBits] >> bit % kWordBits & 1) != 0;
}

bool BlockSet::Add(std::uint32_t block) {
  std::unique_ptr<Page>& page = pages_[block / kPageBits];
  if (page == nullptr) page = std::make_unique<Page>();
  const std::uint32_t bit = block % kPageBits;
  std::uint64_t& word = (*page)[bit / kWordBits];
  const std::uint64_t mask = std::uint64_t{1} << bit % kWordBits;
  const bool fresh = (word & mask) == 0;
  word |= mask;
  return fresh;
}

Result<RepeatedPlaces> RepeatedPlaces::Find(Storage& storage, const Header& header, const Limits& limits) {
  RepeatedPlaces repeated;
  BlockSet seen;
  PLATTER_CHECK(ForEachEntry(storage, header, [&](std::uint64_t /*block*/, std::uint32_t entry) -> Result<> {
    if (entry >= header.blocks) return Done{};
    if (!seen.Add(entry)) repeated.places_.Add(entry);
    if (seen.memory() + repeated.places_.memory() <= limits.metadata_bytes) return Done{};
    return Error(ErrorKind::kLimit, "block map is too large to be checked")
        .In(storage.name())
        .Allowed(std::to_string(limits.metadata_bytes) + " bytes of memory");
  }));
  return repeated;
}

}  // namespace platter::vdi
