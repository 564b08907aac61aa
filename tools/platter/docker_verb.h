// platter docker: container images to file systems, and back.
#pragma once

#include "tools/platter/verb.h"

namespace platter::cli {

// `call.words`: from the word "flatten" or "wrap" on.
int RunDockerFlatten(const Invocation& call);
int RunDockerWrap(const Invocation& call);

}  // namespace platter::cli
