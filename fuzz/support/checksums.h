// Makes the checksums of an image right, so that a fuzzer's changes get past them to the code that reads what they
// protect. Each returns false when it had nothing to change.
#pragma once

#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {

bool MendVhd(SparseStorage& file);   // footers, the dynamic disk header
bool MendVhdx(SparseStorage& file);  // headers, region tables, entries of the log
bool MendGpt(SparseStorage& file);   // both copies, sectors of 512 and 4096 bytes
bool MendUdf(SparseStorage& file);   // descriptor tags, in the sectors that are not empty
bool MendTar(SparseStorage& file);   // headers, as far as each leads to the next one
inline bool MendNothing(SparseStorage& /*file*/) { return false; }

}  // namespace platter::fuzz
