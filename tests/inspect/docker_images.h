// Docker archives to be inspected, as a forger would make them.
#pragma once

#include <vector>

#include "tests/inspect/appliances.h"

namespace platter::test {

// What the archive and its documents show.
std::vector<Appliance> HostileDockerArchives();
// What takes reading the layers.
std::vector<Appliance> HostileLayers();

}  // namespace platter::test
