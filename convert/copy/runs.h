// From what a window holds to what the target is told: segments become runs in whole units of the target, zeros inside
// data are found, and units that several segments share are completed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "convert/copy/walker.h"
#include "formats/core/chain.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::copy {

struct RunRules {
  std::uint64_t unit = 512;         // runs start and end at multiples of it
  std::uint64_t granularity = 512;  // zeros are looked for in aligned blocks of it; a power of two, at least `unit`
  bool scan = true;                 // false: data stays data
  bool zeros_are_data = false;      // zeros that the map knows are written as data
  const Chain* rest = nullptr;      // completes units that are partly left to the backing file
};

// Replaces `runs` by the runs of `window`. `bytes` covers the window and holds its data segments already, but the
// unseen ones, which stay data; units that become data are completed in it. It may be empty when no run of the window
// can become data.
Result<> BuildRuns(const Window& window, const RunRules& rules, std::span<std::byte> bytes, std::vector<Run>& runs);

// True when BuildRuns needs `bytes`: there is data, or segments share a unit.
bool NeedsBytes(const Window& window, std::uint64_t unit);

}  // namespace platter::copy
