// Copies that stay in the host's kernel (copy_file_range: reflinks, server-side copies, no trip through our memory).
#pragma once

#include "convert/copy/walker.h"
#include "formats/core/writer.h"

namespace platter::copy {

// True when every data byte of the window lies verbatim in a file of the host, in whole units of the target.
bool LiesVerbatim(const Window& window, std::uint64_t unit);

// Carries out batch.writes without the payload: for each, the host copies from where `window` says the bytes lie.
// False when it cannot (another file system, a cursed descriptor): the caller then reads and stores as usual, which
// rewrites whatever was copied. Requires: LiesVerbatim; every payload points into batch.bytes.
bool StoreInKernel(const Window& window, const Batch& batch);

}  // namespace platter::copy
