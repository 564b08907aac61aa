#include "tools/platterd/service/serve.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <ctime>

#include "formats/core/json.h"
#include "tools/platterd/service/notify.h"
#include "tools/platterd/service/open_files.h"

namespace platter::platterd {
namespace {

using Level = Log::Level;

constexpr std::size_t kMetricsConnections = 32;

// Bytes of what is told of a failure: images and databases may have a say in it.
constexpr std::size_t kLongestReason = 4096;

void LogExchange(Log& log, const http::Exchange& exchange) {
  if (!exchange.trouble.empty()) {
    log.Write(Level::kError, "a request failed",
              {{"id", std::string(exchange.id)}, {"reason", PlainText(exchange.trouble, kLongestReason)}});
  }
  log.Write(Level::kInfo, exchange.broken ? "request broken off" : "request",
            {{"id", std::string(exchange.id)},
             {"remote", std::string(exchange.remote)},
             {"method", std::string(exchange.method)},
             {"target", std::string(exchange.target)},
             {"status", std::to_string(exchange.status)},
             {"in", std::to_string(exchange.bytes_in)},
             {"out", std::to_string(exchange.bytes_out)},
             {"seconds", fmt::format("{:.6f}", std::chrono::duration<double>(exchange.time).count())}});
}

// Without descriptors nobody could upload anything, and nobody would know why.
http::ServerLimits LimitsOf(const Settings& settings, const Parts& parts) {
  http::ServerLimits limits = settings.server.limits;
  limits.connections = ConnectionsWithin(parts.open_files, limits.connections);
  if (limits.connections < settings.server.limits.connections) {
    parts.log.Write(Level::kWarning, "the limit of open files leaves room for fewer connections",
                    {{"connections", std::to_string(limits.connections)},
                     {"max_connections", std::to_string(settings.server.limits.connections)},
                     {"open_files", std::to_string(parts.open_files)}});
  }
  return limits;
}

// Keeps the service as it was where the new configuration is none.
void Reload(const Parts& parts, http::Server& server, std::chrono::seconds& drain_time) {
  Notify("RELOADING=1");
  auto settings = parts.reload();
  auto log = settings.ok() ? parts.log.Reopen(settings.value().log) : Result<>(Done());
  if (!settings.ok() || !log.ok()) {
    const Error& error = settings.ok() ? log.error() : settings.error();
    parts.log.Write(Level::kError, "the configuration stays as it was", {{"reason", error.Describe()}});
  } else {
    server.SetLimits(LimitsOf(settings.value(), parts));
    drain_time = settings.value().drain_time;
    parts.log.Write(Level::kInfo, "configuration read again");
  }
  Notify("READY=1");
}

Result<std::unique_ptr<http::Server>> ServeMetrics(const Settings& settings, http::Service& page, Log& log) {
  if (!settings.metrics_port) return std::unique_ptr<http::Server>();
  http::ServerOptions options{
      .address = settings.metrics_host, .port = *settings.metrics_port, .io_threads = 1, .workers = 1};
  options.limits.connections = kMetricsConnections;
  auto server = PLATTER_TRY(http::Server::Listen(options, page, nullptr));
  log.Write(Level::kInfo, "metrics", {{"address", options.address}, {"port", std::to_string(server->port())}});
  return server;
}

}  // namespace

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int Signals::Wait(std::chrono::milliseconds time) const {
  timespec until{};
  until.tv_sec = static_cast<time_t>(time.count() / 1000);
  until.tv_nsec = static_cast<long>(time.count() % 1000 * 1000000);
  return std::max(sigtimedwait(&set_, nullptr, &until), 0);
}

Result<> Serve(const Settings& settings, const Signals& signals, const Parts& parts) {
  for (const std::string& remark : settings.remarks) parts.log.Write(Level::kWarning, remark);
  Front front(parts.api, parts.health);
  const auto observer = [&parts](const http::Exchange& exchange) {
    parts.metrics.Count(exchange);
    LogExchange(parts.log, exchange);
  };
  http::ServerOptions options = settings.server;
  options.limits = LimitsOf(settings, parts);
  auto server = PLATTER_TRY(http::Server::Listen(options, front, observer));
  MetricsPage page([&] { return parts.metrics.Text(server->load()); });
  const auto metrics_server = PLATTER_TRY(ServeMetrics(settings, page, parts.log));
  parts.log.Write(Level::kInfo, "serving",
                  {{"address", settings.server.address},
                   {"port", std::to_string(server->port())},
                   {"tls", settings.server.cert_file.empty() ? "no" : "yes"},
                   {"authentication", settings.keystone ? "keystone" : "none"},
                   {"state", settings.state}});
  Notify("READY=1");
  auto tick = std::chrono::milliseconds(3600000);
  if (const auto watchdog = WatchdogTime()) {
    tick =
        std::max(std::chrono::duration_cast<std::chrono::milliseconds>(*watchdog / 2), std::chrono::milliseconds(10));
  }
  auto drain_time = settings.drain_time;
  for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
    signal = signals.Wait(tick);
    if (signal == 0) Notify("WATCHDOG=1");
    if (signal == SIGHUP) Reload(parts, *server, drain_time);
  }
  // The service manager kills what takes longer than the unit says, unless it is told how long that is.
  constexpr auto kRest = std::chrono::seconds(30);  // for what follows the requests
  Notify(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}",
                     std::chrono::duration_cast<std::chrono::microseconds>(drain_time + kRest).count()));
  parts.log.Write(Level::kInfo, "stopping");
  server->Drain(drain_time, parts.give_up);
  parts.log.Write(Level::kInfo, "stopped");
  return Done();
}

}  // namespace platter::platterd
