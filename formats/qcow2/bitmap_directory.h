// The bitmap directory in a check: every bitmap's table, held to the format's constraints (section "Bitmaps").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/qcow2/check_state.h"

namespace platter::qcow2 {

struct CheckedBitmap {
  std::string name;
  std::uint64_t table_offset = 0;
  std::uint64_t table_entries = 0;
};

// kCorrupt for a directory or an entry that breaks the format's rules, kUnsupported for extra data.
// Requires: the header has bitmaps.
Result<std::vector<CheckedBitmap>> ReadBitmapDirectory(CheckState& state);

}  // namespace platter::qcow2
