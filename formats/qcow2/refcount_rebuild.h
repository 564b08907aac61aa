// Builds an image's refcount structure anew when the old one cannot be mended entry by entry.
#pragma once

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

// The first of `count` clusters behind everything that is in use, so that new structures can be written there.
std::uint64_t FindFreeTail(CheckState& state, const RefcountMap& counts, std::uint64_t count);

// Writes refcount blocks and a refcount table for `counts` behind everything else, then points the header to them: the
// one write that makes them valid. `counts` leaves the old structure out, which is free from then on. Fields that the
// caller changed in state.header (the snapshot table's place) are written along. kLimit when the table would be larger
// than the format allows.
Result<> RebuildRefcounts(CheckState& state, const RefcountMap& counts);

// Clears the dirty and the corrupt bit.
Result<> MarkClean(CheckState& state);

}  // namespace platter::qcow2
