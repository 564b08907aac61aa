// Holds the refcounts that an image stores against the references that were counted in it.
#pragma once

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

// Logs and counts every cluster whose two counts differ; `repair` says which of them to set right on the way. Sets
// state.rebuild when a referenced cluster has no stored count, and image_end_offset.
Result<> CompareRefcounts(CheckState& state, const RefcountMap& counts, Repair repair);

}  // namespace platter::qcow2
