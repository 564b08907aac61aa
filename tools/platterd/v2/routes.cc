#include "tools/platterd/v2/routes.h"

#include <fmt/format.h>

#include <memory>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "tools/platterd/api/identifier.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

// Bytes of a JSON body: 128 properties and tags of 255 characters are far below.
constexpr std::size_t kMaxBody = std::size_t{1} << 20;

using Plain = Reply (*)(const Backend&, const Call&);
using WithBody = Reply (*)(const Backend&, const Call&, const std::string&);
using Streamed = Consumer (*)(const Backend&, const Call&);

struct Route {
  std::string_view method;
  std::string_view path;  // below /v2/; {NAME} stands for any part
  std::variant<Plain, WithBody, Streamed> handler;
  std::string_view statuses;
  std::string_view what;
};

constexpr Route kRoutes[] = {
    {"GET", "images", &ListImages, "200, 400", "Lists images: filters, `sort`, `limit`, `marker`."},
    {"POST", "images", &CreateImage, "201, 400, 403, 409, 413", "Makes a record."},
    {"GET", "images/{image}", &ShowImage, "200, 404", "Shows a record."},
    {"PATCH", "images/{image}", &ChangeImage, "200, 400, 403, 404, 409, 413, 415, 503",
     "Changes a record by a JSON patch, in either media type."},
    {"DELETE", "images/{image}", &DeleteImage, "204, 403, 404, 409", "Deletes an image and its bytes."},
    {"PUT", "images/{image}/file", &UploadImage, "204, 400, 403, 404, 409, 410, 413, 415, 503",
     "Takes the bytes; 415 with the finding's code where they are not what the record says, or unsafe."},
    {"GET", "images/{image}/file", &DownloadImage, "200, 204, 206, 400, 403, 404, 416",
     "Gives the bytes, or a range of them."},
    {"PUT", "images/{image}/stage", &StageImage, "204, 400, 403, 404, 409, 413, 415, 503",
     "Takes the bytes for an import."},
    {"POST", "images/{image}/import", &ImportImage, "202, 400, 403, 404, 409, 413",
     "Starts an import: `glance-direct`, `web-download`."},
    {"GET", "images/{image}/tasks", &ListImageTasks, "200, 404",
     "Lists the imports of the image that are the caller's project's; all of them for administrators."},
    {"POST", "images/{image}/actions/deactivate", &Deactivate, "204, 403, 404", "Keeps others from the bytes."},
    {"POST", "images/{image}/actions/reactivate", &Reactivate, "204, 403, 404", "Lets them have the bytes again."},
    {"PUT", "images/{image}/tags/{tag}", &AddTag, "204, 400, 403, 404, 413", "Adds a tag."},
    {"DELETE", "images/{image}/tags/{tag}", &RemoveTag, "204, 403, 404", "Removes a tag."},
    {"GET", "images/{image}/members", &ListMembers, "200, 403, 404", "Lists whom the image is shared with."},
    {"POST", "images/{image}/members", &AddMember, "200, 400, 403, 404, 409, 413", "Shares the image with a project."},
    {"GET", "images/{image}/members/{member}", &ShowMember, "200, 404", "Shows one of them."},
    {"PUT", "images/{image}/members/{member}", &SetMemberStatus, "200, 400, 403, 404",
     "Accepts or rejects what was shared."},
    {"DELETE", "images/{image}/members/{member}", &RemoveMember, "204, 403, 404", "Shares no more."},
    {"DELETE", "stores/{store}/{image}", &DeleteFromStore, "204, 403, 404, 409",
     "Removes the bytes from one of several stores."},
    {"GET", "tasks", &ListTasks, "200, 400, 403", "Lists all imports, for administrators."},
    {"GET", "tasks/{task}", &ShowTask, "200, 403, 404", "Shows one of them."},
    {"GET", "schemas/{name}", &ShowSchema, "200, 404", "The schema of image, images, member, members, task, tasks."},
    {"GET", "info/import", &ShowImportMethods, "200", "The ways to import an image."},
    {"GET", "info/stores", &ShowStores, "200, 404", "The stores, where `enabled_backends` names several."},
    {"GET", "info/stores/detail", &ShowStoresInDetail, "200, 403, 404", "The same for administrators."},
    {"GET", "info/usage", &ShowUsage, "200", "What a project uses of its quota."},
};

// The parts of the request's path that stand where the route has names; empty where it is another path.
std::optional<std::vector<std::string>> Match(std::string_view path, std::span<const std::string> segments) {
  std::vector<std::string> parameters;
  for (const std::string& segment : segments) {
    if (path.empty()) return std::nullopt;
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part == "{image}" || part == "{task}") {
      parameters.push_back(CanonicalIdentifier(segment));
    } else if (part.starts_with('{')) {
      parameters.push_back(segment);
    } else if (part != segment) {
      return std::nullopt;
    }
  }
  return path.empty() ? std::optional(std::move(parameters)) : std::nullopt;
}

http::Response NoSuchPath() { return http::ErrorPage(404, "The resource could not be found."); }

http::Response WrongMethod(std::string_view method, const std::vector<std::string_view>& allowed) {
  http::Response response =
      http::ErrorPage(405, fmt::format("The method {} is not allowed for this resource.", method));
  response.headers.Add("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return response;
}

http::Response Answered(Reply reply) { return reply.ok() ? std::move(reply).value() : ErrorResponse(reply.error()); }

http::Answer Handle(const Backend& backend, const Route& route, Call call) {
  if (const auto* plain = std::get_if<Plain>(&route.handler)) {
    if (call.request.has_body && call.request.content_length.value_or(1) > 0) {
      return http::ErrorPage(400, "A body is not expected with this request.");
    }
    return Answered((*plain)(backend, call));
  }
  if (const auto* streamed = std::get_if<Streamed>(&route.handler)) {
    auto consumer = (*streamed)(backend, call);
    if (!consumer.ok()) return ErrorResponse(consumer.error());
    return std::move(consumer).value();
  }
  const WithBody handler = std::get<WithBody>(route.handler);
  const auto shared = std::make_shared<const Call>(std::move(call));
  return http::WholeBody(kMaxBody, [&backend, handler, shared](const std::string& body) {
    return Answered(handler(backend, *shared, body));
  });
}

}  // namespace

http::Response ImageApi::Versions(const http::Request& request, unsigned status) const {
  return JsonResponse(status,
                      VersionsDocument(backend_.options, backend_.options.public_endpoint.value_or(request.base)));
}

http::Answer ImageApi::Begin(http::Request request) {
  const auto& segments = request.segments;
  if (segments.size() == 1 && segments.front() == "versions") return Versions(request, 200);
  // As Glance does: a version that is none is answered with those that there are.
  if (segments.empty() || !IsVersion(backend_.options, segments.front())) return Versions(request, 300);
  if (segments.size() == 1 && !request.trailing_slash) {
    http::Response response = EmptyResponse(302);
    response.headers.Add("Location", fmt::format("{}/v2/", backend_.options.public_endpoint.value_or(request.base)));
    return response;
  }
  auto caller = authenticator_.Authenticate(request);
  if (auto* refused = std::get_if<http::Response>(&caller)) return std::move(*refused);
  Call call{std::move(request), std::get<registry::Caller>(std::move(caller)), {}};
  if (call.request.trailing_slash) return NoSuchPath();
  const std::span path = std::span(std::as_const(call.request.segments)).subspan(1);
  std::vector<std::string_view> allowed;
  for (const Route& route : kRoutes) {
    auto parameters = Match(route.path, path);
    if (!parameters) continue;
    if (route.method == call.request.method) {
      call.parameters = std::move(*parameters);
      return Handle(backend_, route, std::move(call));
    }
    allowed.push_back(route.method);
  }
  return allowed.empty() ? NoSuchPath() : WrongMethod(call.request.method, allowed);
}

std::string ApiReference() {
  std::string out = "| method | path | answers | |\n|---|---|---|---|\n";
  for (const Route& route : kRoutes) {
    out += fmt::format("| {} | `/v2/{}` | {} | {} |\n", route.method, route.path, route.statuses, route.what);
  }
  return out;
}

}  // namespace platter::platterd
