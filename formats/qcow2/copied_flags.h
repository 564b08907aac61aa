// The copied flag of L1 and L2 entries: set exactly where the cluster's refcount is one, so that a guest may write to
// it in place.
#pragma once

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

// Holds the flags of the active image's tables against the stored refcounts; logs, counts and, when `repair`, corrects
// those that are wrong.
Result<> CheckCopiedFlags(CheckState& state, bool repair);

}  // namespace platter::qcow2
