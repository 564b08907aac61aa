#include "tools/platterd/service/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace platter::platterd {
namespace {

// A method is any word that a client makes up: only these become labels.
constexpr std::array<std::string_view, 7> kMethods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

std::string MethodLabel(std::string_view method) {
  const bool known = std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
  return known ? std::string(method) : "other";
}

}  // namespace

class Metrics::Impl {
 public:
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter().Name("platterd_requests_total").Help("Requests answered.").Register(registry);
  prometheus::Family<prometheus::Counter>& bytes =
      prometheus::BuildCounter().Name("platterd_bytes_total").Help("Bytes of bodies.").Register(registry);
  prometheus::Family<prometheus::Counter>& verdicts =
      prometheus::BuildCounter().Name("platterd_verdicts_total").Help("Uploads by verdict.").Register(registry);
  prometheus::Family<prometheus::Gauge>& load =
      prometheus::BuildGauge().Name("platterd_load").Help("What the server is busy with.").Register(registry);
  prometheus::Counter& in = bytes.Add({{"direction", "in"}});
  prometheus::Counter& out = bytes.Add({{"direction", "out"}});
  prometheus::Counter& broken = prometheus::BuildCounter()
                                    .Name("platterd_broken_total")
                                    .Help("Requests whose client went away.")
                                    .Register(registry)
                                    .Add({});
  prometheus::Gauge& connections = load.Add({{"kind", "connections"}});
  prometheus::Gauge& queued = load.Add({{"kind", "queued"}});
  prometheus::Gauge& running = load.Add({{"kind", "running"}});
  prometheus::Histogram& request_time =
      prometheus::BuildHistogram()
          .Name("platterd_request_seconds")
          .Help("From a request's first byte to its answer's last.")
          .Register(registry)
          .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60});
  prometheus::Histogram& database_time =
      prometheus::BuildHistogram()
          .Name("platterd_database_seconds")
          .Help("Calls of the database.")
          .Register(registry)
          .Add({}, prometheus::Histogram::BucketBoundaries{0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::Count(const http::Exchange& exchange) {
  impl_->requests.Add({{"method", MethodLabel(exchange.method)}, {"status", std::to_string(exchange.status)}})
      .Increment();
  impl_->in.Increment(static_cast<double>(exchange.bytes_in));
  impl_->out.Increment(static_cast<double>(exchange.bytes_out));
  if (exchange.broken) impl_->broken.Increment();
  impl_->request_time.Observe(std::chrono::duration<double>(exchange.time).count());
}

void Metrics::CountVerdict(std::string_view verdict) {
  impl_->verdicts.Add({{"verdict", std::string(verdict)}}).Increment();
}

void Metrics::AddDatabaseTime(double seconds) { impl_->database_time.Observe(seconds); }

std::string Metrics::Text(const http::ServerLoad& load) {
  impl_->connections.Set(static_cast<double>(load.connections));
  impl_->queued.Set(static_cast<double>(load.queued));
  impl_->running.Set(static_cast<double>(load.running));
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace platter::platterd
