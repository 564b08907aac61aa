// Protects an image's metadata from a repair that would write through a wrong pointer.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

// The name of the structure, other than L2 tables, that the cluster-sized table at `offset` shares bytes with; empty
// when there is none and the table may be written.
Result<std::string_view> FindOverlap(CheckState& state, std::uint64_t offset);

}  // namespace platter::qcow2
