// The image API without a socket: requests go in as the HTTP server hands them over, from callers that a test chooses.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry-core/ingest/imports.h"
#include "registry-core/ingest/staging.h"
#include "tests/registry/ingest/registry.h"
#include "tests/support/temp_dir.h"
#include "tools/platterd/http/target.h"
#include "tools/platterd/v2/routes.h"

namespace platter::platterd {

struct Answered {
  unsigned status = 0;
  http::Fields headers;
  std::string body;
  std::string trouble;  // for the log

  boost::json::value json() const {
    boost::json::error_code error;
    boost::json::value value = boost::json::parse(body, error);
    EXPECT_FALSE(error) << body;
    return value;
  }
  std::string Text(std::string_view name) const {
    const boost::json::value value = json();
    const boost::json::value* member =
        value.is_object() ? value.get_object().if_contains({name.data(), name.size()}) : nullptr;
    if (member == nullptr) return "(none)";
    return member->is_string() ? std::string(member->get_string()) : boost::json::serialize(*member);
  }
};

// "admin" is an administrator; "" is nobody; of others the name is the project, and the user. "reader@PROJECT" only
// reads, "reader@" in no project.
inline registry::Caller CallerNamed(const std::string& name) {
  registry::Caller caller;
  caller.user = name;
  caller.roles = {"reader"};
  const std::size_t at = name.find('@');
  if (at != std::string::npos) {
    if (at + 1 < name.size()) caller.project = name.substr(at + 1);
    return caller;
  }
  caller.project = name;
  caller.roles.emplace_back("member");
  caller.admin = name == "admin";
  if (caller.admin) caller.roles.emplace_back("admin");
  return caller;
}

// Believes the header that a test sets.
class NamedCallers final : public Authenticator {
 public:
  std::variant<registry::Caller, http::Response> Authenticate(const http::Request& request) override {
    const auto name = request.headers.Find("X-Test-Caller").value_or("");
    if (name.empty()) return http::ErrorPage(401, "Nobody asks.");
    registry::Caller caller = CallerNamed(std::string(name));
    caller.request_id = request.id;
    return caller;
  }
};

struct Asked {
  std::string caller = "us";
  std::string method = "GET";
  std::string target = {};
  std::string body = {};
  std::string type = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool chunked = false;
  // A connection that breaks off behind so many bytes of the body.
  std::optional<std::size_t> broken_at = {};
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() : ApiTest(ApiOptions{}) {}
  // `more`: stores beside the two in the folder.
  explicit ApiTest(ApiOptions api_options, registry::IngestRules rules = {},
                   std::vector<std::shared_ptr<registry::Store>> more = {})
      : registry_(folder_.File("r"), std::move(rules), std::move(more)),
        options_(std::move(api_options)),
        staging_(registry::OpenStaging(folder_.File("r"))),
        imports_(registry_.context, staging_, ImportOptions()),
        backend_{options_,
                 registry_.context,
                 staging_,
                 imports_,
                 {},
                 CheckUrl,
                 [this](std::string_view verdict) {
                   const std::lock_guard lock(mutex_);
                   verdicts_.emplace_back(verdict);
                 },
                 readers_of_locations_,
                 [this](const std::string& image, const std::string& key) { keys_.push_back(image + " " + key); }},
        api_(backend_, callers_) {}

  Answered Ask(const Asked& asked) {
    http::Request request;
    request.method = asked.method;
    request.target = asked.target;
    request.base = "http://registry.example";
    request.id = "req-test";
    EXPECT_EQ(http::DecodeTarget(request), std::nullopt) << asked.target;
    if (!asked.caller.empty()) request.headers.Add("X-Test-Caller", asked.caller);
    if (!asked.type.empty()) request.headers.Add("Content-Type", asked.type);
    for (const auto& [name, value] : asked.headers) request.headers.Add(name, value);
    request.has_body = !asked.body.empty() || !asked.type.empty();
    if (request.has_body && !asked.chunked) request.content_length = asked.body.size();
    http::Answer answer = api_.Begin(std::move(request));
    if (auto* response = std::get_if<http::Response>(&answer)) return Whole(*response);
    return Fed(*std::get<1>(answer), asked);
  }
  Answered Get(const std::string& target, const std::string& caller = "us") {
    return Ask({.caller = caller, .target = target});
  }
  Answered Post(const std::string& target, const std::string& body, const std::string& caller = "us") {
    return Ask({.caller = caller, .method = "POST", .target = target, .body = body, .type = "application/json"});
  }
  Answered Put(const std::string& target, const std::string& bytes, const std::string& caller = "us") {
    return Ask(
        {.caller = caller, .method = "PUT", .target = target, .body = bytes, .type = "application/octet-stream"});
  }
  Answered Delete(const std::string& target, const std::string& caller = "us") {
    return Ask({.caller = caller, .method = "DELETE", .target = target});
  }
  Answered Patch(const std::string& id, const std::string& body, const std::string& caller = "us") {
    return Ask({.caller = caller,
                .method = "PATCH",
                .target = "/v2/images/" + id,
                .body = body,
                .type = "application/openstack-images-v2.1-json-patch"});
  }
  // The new record's id.
  std::string Made(const std::string& members = R"({"disk_format":"raw","container_format":"bare"})",
                   const std::string& caller = "us") {
    const Answered made = Post("/v2/images", members, caller);
    EXPECT_EQ(made.status, 201U) << made.body;
    return made.Text("id");
  }
  std::string MadeActive(const std::string& bytes, const std::string& caller = "us") {
    std::string id = Made(R"({"disk_format":"raw","container_format":"bare"})", caller);
    EXPECT_EQ(Put("/v2/images/" + id + "/file", bytes, caller).status, 204U);
    return id;
  }
  std::string StatusOf(const std::string& id) { return Get("/v2/images/" + id, "admin").Text("status"); }

  const test::TempDir folder_;
  registry::Registry registry_;
  const ApiOptions options_;
  const registry::StagingArea staging_;
  std::mutex mutex_;
  std::vector<std::string> verdicts_;
  std::vector<std::string> keys_;  // that were left behind
  registry::Imports imports_;
  NamedCallers callers_;
  Slots readers_of_locations_{1};
  const Backend backend_;
  ImageApi api_;

 private:
  static registry::ImportOptions ImportOptions() {
    registry::ImportOptions options;
    options.fetch = [](const std::string&,
                       const std::function<bool()>&) -> Result<std::unique_ptr<registry::ByteSource>> {
      return Error(ErrorKind::kNotFound, "there is nothing at that URL");
    };
    return options;
  }
  static Result<> CheckUrl(const std::string& url) {
    if (url.starts_with("http://allowed.example/")) return Done{};
    return Error(ErrorKind::kDenied, "the host is not allowed");
  }
  static Answered Whole(http::Response& response) {
    Answered answered{response.status, response.headers, response.body, response.trouble};
    if (!response.file) return answered;
    answered.body.resize(response.length);
    for (std::size_t at = 0; at < answered.body.size();) {
      const auto read =
          response.file->ReadSome(response.offset + at, std::as_writable_bytes(std::span(answered.body)).subspan(at));
      if (!read.ok()) ADD_FAILURE() << read.error().Describe();
      if (!read.ok()) break;
      at += read.value();
    }
    return answered;
  }
  static Answered Fed(http::BodyConsumer& consumer, const Asked& asked) {
    constexpr std::size_t kPiece = 65536;
    const std::size_t end = asked.broken_at.value_or(asked.body.size());
    for (std::size_t at = 0; at < end; at += kPiece) {
      const auto piece = std::as_bytes(std::span(asked.body)).subspan(at, std::min(kPiece, end - at));
      if (auto early = consumer.Feed(piece)) return Whole(*early);
    }
    if (asked.broken_at) return {};
    http::Response response = consumer.Finish();
    return Whole(response);
  }
};

}  // namespace platter::platterd
