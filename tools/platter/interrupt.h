// Ctrl-C and kill: the job is told to stop, cleans up, and the tool exits.
#pragma once

#include <atomic>

namespace platter::cli {

// From now on SIGINT, SIGTERM and SIGHUP, unless they are ignored already, set the flag that is returned; a second
// signal ends the process at once.
const std::atomic<bool>& CatchInterrupts();

}  // namespace platter::cli
