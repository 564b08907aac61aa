// Metrics: what Prometheus reads.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tools/platterd/http/exchange.h"
#include "tools/platterd/http/server.h"

namespace platter::platterd {

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void Count(const http::Exchange& exchange);
  // Of an upload: "accepted", "refused", ...
  void CountVerdict(std::string_view verdict);
  // One call of the database.
  void AddDatabaseTime(double seconds);
  // In Prometheus's text format, with the server's load as it is now.
  std::string Text(const http::ServerLoad& load);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace platter::platterd
