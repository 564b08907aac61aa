// Layers of which qemu does not know what is data, seen as qemu sees them.
#pragma once

#include "formats/open.h"

namespace platter::cli {

// Every layer whose driver says that qemu has no map of it becomes one extent of data at no known place.
void HideFromQemu(OpenedChain& chain);

}  // namespace platter::cli
