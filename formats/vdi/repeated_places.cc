#include "formats/vdi/repeated_places.h"

#include <string>

namespace platter::vdi {

Result<RepeatedPlaces> RepeatedPlaces::Find(Storage& storage, const Header& header, const Limits& limits) {
  RepeatedPlaces repeated;
  NumberSet seen;
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
