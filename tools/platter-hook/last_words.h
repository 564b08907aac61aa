// What platter-hook says when a limit ends it: an answer that was written down while there was memory and time.
#pragma once

#include "tools/platter-hook/sandbox.h"

namespace platter::hook {

inline constexpr int kUndecided = 2;

// From now on, too much processor time, and whatever nobody catches, ends the process with a JSON object and exit code
// 2. Call it outside the sandbox, and again inside, with what came into force: the answer says so.
void PrepareLastWords(const Sandbox* sandbox);

// Ends the process because there is no memory left. Allocates nothing.
[[noreturn]] void EndOutOfMemory() noexcept;

}  // namespace platter::hook
