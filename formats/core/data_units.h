// Counting what a new image of a guest disk has to hold, for measuring it.
#pragma once

#include <cstdint>

#include "formats/core/chain.h"
#include "formats/core/result.h"

namespace platter {

// What counts of an extent that is preallocated (Extent::maybe_hole).
enum class Preallocated : std::uint8_t {
  kWhole,   // all of it
  kStored,  // what the host's file has data for
};

// Clusters, blocks or grains of `unit` guest bytes that the data of `chain` touches. kIo, and what Map answers.
Result<std::uint64_t> CountDataUnits(const Chain& chain, std::uint64_t unit, Preallocated preallocated);

}  // namespace platter
