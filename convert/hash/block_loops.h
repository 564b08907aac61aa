// OpenSSL's loops over the blocks of one message: what EVP runs, with a state that can go on in lanes, and come back.
#pragma once

#include "convert/kernels/digest_lanes.h"
#include "formats/core/result.h"

namespace platter::hash {

struct BlockLoop {
  void (*take)(const kernels::MessagePiece& piece) = nullptr;
};

// Thread-safe. kUnsupported where the library is not there, or has no such function.
Result<BlockLoop> LoadBlockLoop(kernels::LaneDigest digest);

}  // namespace platter::hash
