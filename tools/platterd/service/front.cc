#include "tools/platterd/service/front.h"

#include <utility>

namespace platter::platterd {
namespace {

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

Front::Front(http::Service* api, Health health) : api_(api), health_(std::move(health)) {}

http::Answer Front::Begin(http::Request request) {
  if (!Asks(request, "healthcheck")) {
    if (api_ != nullptr) return api_->Begin(std::move(request));
    return http::ErrorPage(404, "The resource could not be found.");
  }
  if (!Reads(request)) return OnlyGet();
  const auto health = health_();
  http::Response page =
      Page(health.ok() ? 200 : 503, "text/plain; charset=UTF-8", health.ok() ? "OK" : health.error().what());
  if (!health.ok()) page.trouble = health.error().Describe();
  return page;
}

MetricsPage::MetricsPage(std::function<std::string()> text) : text_(std::move(text)) {}

http::Answer MetricsPage::Begin(http::Request request) {
  if (!Asks(request, "metrics")) return http::ErrorPage(404, "The resource could not be found.");
  if (!Reads(request)) return OnlyGet();
  return Page(200, "text/plain; version=0.0.4; charset=utf-8", text_());
}

}  // namespace platter::platterd
