// Docker archives to be inspected, as a forger would make them.
#pragma once

#include <vector>

#include "tests/inspect/appliances.h"

namespace platter::test {

// What the archive and its documents show.
std::vector<Appliance> HostileDockerArchives();
// What takes reading the layers.
std::vector<Appliance> HostileLayers();

// As docker saves an image for two platforms: index.json has an index of both, and manifest.json the first, which is
// for amd64. `other`: the architecture of the second.
Bytes ImageOfTwoPlatforms(const std::string& other);

}  // namespace platter::test
