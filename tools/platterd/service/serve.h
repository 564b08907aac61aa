// The service from its start to its end: sockets, log, metrics, signals, the service manager.
#pragma once

#include <csignal>

#include "formats/core/result.h"
#include "tools/platterd/config/settings.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/service/front.h"
#include "tools/platterd/service/log.h"
#include "tools/platterd/service/metrics.h"

namespace platter::platterd {

// SIGTERM, SIGINT and SIGHUP, kept from every thread that starts after this. To be called first, by the main thread.
class Signals {
 public:
  Signals();
  // The next one, or 0 after that time.
  int Wait(std::chrono::milliseconds time) const;

 private:
  sigset_t set_{};
};

// What a service is put together from. All of it outlives Serve.
struct Parts {
  Log& log;
  Metrics& metrics;
  http::Service* api;  // null: only /healthcheck is there
  HealthProbe::Health health;
  // Ends requests that wait for others; called once those that are left have had their time to finish.
  std::function<void()> give_up;
  // That the process may have at a time; 0: any number.
  std::uint64_t open_files;
  // Reads the configuration again, on SIGHUP.
  std::function<Result<Settings>()> reload;
};

// Serves until SIGTERM or SIGINT, then drains. SIGHUP takes over the log and the limits; the socket stays.
Result<> Serve(const Settings& settings, const Signals& signals, const Parts& parts);

}  // namespace platter::platterd
