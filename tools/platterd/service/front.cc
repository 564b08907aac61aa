#include "tools/platterd/service/front.h"

#include <utility>

namespace platter::platterd {
namespace {

// For whoever decides by it where requests go: these give up themselves after some seconds.
constexpr std::chrono::seconds kPatience{3};

bool Asks(const http::Request& request, std::string_view page) {
  return request.segments.size() == 1 && request.segments.front() == page && !request.trailing_slash;
}

http::Response Page(unsigned status, std::string type, std::string body) {
  http::Response response;
  response.status = status;
  response.headers.Add("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

http::Response OnlyGet() {
  http::Response response = http::ErrorPage(405, "The method is not allowed for this resource.");
  response.headers.Add("Allow", "GET, HEAD");
  return response;
}

bool Reads(const http::Request& request) { return request.method == "GET" || request.method == "HEAD"; }

}  // namespace

Front::Front(http::Service* api, HealthProbe::Health health) : api_(api), probe_(std::move(health), kPatience) {}

bool Front::IsApart(const http::Request& request) const { return Asks(request, "healthcheck"); }

http::Answer Front::Begin(http::Request request) {
  if (!Asks(request, "healthcheck")) {
    if (api_ != nullptr) return api_->Begin(std::move(request));
    return http::ErrorPage(404, "The resource could not be found.");
  }
  if (!Reads(request)) return OnlyGet();
  const auto health = probe_.Ask();
  http::Response page =
      Page(health->ok() ? 200 : 503, "text/plain; charset=UTF-8", health->ok() ? "OK" : health->error().what());
  if (!health->ok()) page.trouble = health->error().Describe();
  return page;
}

MetricsPage::MetricsPage(std::function<std::string()> text) : text_(std::move(text)) {}

http::Answer MetricsPage::Begin(http::Request request) {
  if (!Asks(request, "metrics")) return http::ErrorPage(404, "The resource could not be found.");
  if (!Reads(request)) return OnlyGet();
  return Page(200, "text/plain; version=0.0.4; charset=utf-8", text_());
}

}  // namespace platter::platterd
