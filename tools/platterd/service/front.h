// What stands in front of the API: /healthcheck, and /metrics on a port of its own.
#pragma once

#include <functional>
#include <string>

#include "tools/platterd/http/exchange.h"
#include "tools/platterd/service/health_probe.h"

namespace platter::platterd {

// Answers /healthcheck and hands everything else on.
class Front : public http::Service {
 public:
  // `api` outlives it; without one there is nothing else (404).
  Front(http::Service* api, HealthProbe::Health health);
  http::Answer Begin(http::Request request) override;
  // /healthcheck is answered however busy everybody is.
  bool IsApart(const http::Request& request) const override;

 private:
  http::Service* api_;
  HealthProbe probe_;
};

// GET /metrics, and nothing else.
class MetricsPage : public http::Service {
 public:
  explicit MetricsPage(std::function<std::string()> text);
  http::Answer Begin(http::Request request) override;

 private:
  std::function<std::string()> text_;
};

}  // namespace platter::platterd
