// A word to the service manager (sd_notify(3)).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace platter::platterd {

// "READY=1", "STOPPING=1", "RELOADING=1", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=...", a line for each. Does nothing where
// no manager listens ($NOTIFY_SOCKET).
void Notify(std::string_view state) noexcept;
// How often the manager wants to hear WATCHDOG=1 at least ($WATCHDOG_USEC).
std::optional<std::chrono::microseconds> WatchdogTime() noexcept;

}  // namespace platter::platterd
