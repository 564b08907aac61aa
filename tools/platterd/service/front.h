// What stands in front of the API: /healthcheck, and /metrics on a port of its own.
#pragma once

#include <functional>
#include <string>

#include "formats/core/result.h"
#include "tools/platterd/http/exchange.h"

namespace platter::platterd {

// Answers /healthcheck and hands everything else on.
class Front : public http::Service {
 public:
  // Why the service is of no use at present: what() for everybody, the whole story for the log. May block.
  using Health = std::function<Result<>()>;

  // `api` outlives it; without one there is nothing else (404).
  Front(http::Service* api, Health health);
  http::Answer Begin(http::Request request) override;

 private:
  http::Service* api_;
  Health health_;
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
