#include "tools/platterd/v2/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "registry-core/access/access.h"
#include "tools/platterd/api/image_changes.h"
#include "tools/platterd/http/text.h"

namespace platter::platterd {
namespace {

unsigned StatusOf(const Error& error) noexcept {
  switch (error.kind()) {
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kDenied:
      return 403;
    case ErrorKind::kConflict:
    case ErrorKind::kExists:
      return 409;
    case ErrorKind::kLimit:
      return 413;
    case ErrorKind::kInvalid:
      return 400;
    case ErrorKind::kCancelled:
      return 410;
    case ErrorKind::kIo:
      return error.os_error() == ENOSPC || error.os_error() == EDQUOT ? 413 : 503;
    default:
      return 500;
  }
}

http::Response PageFor(const Error& error, unsigned status) {
  if (status == 500) {
    return http::ErrorPage(status,
                           "The server has either erred or is incapable of performing the requested operation.");
  }
  if (status == 503) {
    return http::ErrorPage(status, "The server is currently unavailable. Please try again at a later time.");
  }
  if (error.kind() == ErrorKind::kIo) return http::ErrorPage(status, "Image storage media is full.");
  return http::ErrorPage(status, error.Describe());
}

}  // namespace

http::Response ErrorResponse(const Error& error) {
  const unsigned status = StatusOf(error);
  http::Response response = PageFor(error, status);
  // What the host or a damaged database says is for the log, not for strangers.
  if (status >= 500 || error.kind() == ErrorKind::kIo) response.trouble = error.Describe();
  return response;
}

http::Response JsonResponse(unsigned status, std::string json) {
  http::Response response;
  response.status = status;
  response.headers.Add("Content-Type", "application/json");
  response.body = std::move(json);
  return response;
}

http::Response EmptyResponse(unsigned status) {
  http::Response response;
  response.status = status;
  return response;
}

Error NotFound(std::string what) { return {ErrorKind::kNotFound, std::move(what)}; }
Error Forbidden(std::string what) { return {ErrorKind::kDenied, std::move(what)}; }
Error Invalid(std::string what) { return {ErrorKind::kInvalid, std::move(what)}; }
Error Conflict(std::string what) { return {ErrorKind::kConflict, std::move(what)}; }

Result<registry::ImageRecord> VisibleImage(const Backend& backend, const registry::Caller& caller,
                                           std::string_view id) {
  const auto none = [&] { return NotFound(fmt::format("No image found with ID {}", id)); };
  PLATTER_CHECK(registry::MayRead(backend.options.access, caller));
  if (!registry::IsIdentifier(id)) return none();
  auto found = backend.catalog().Find(id);
  if (!found.ok() && found.error().kind() == ErrorKind::kNotFound) return none();
  registry::ImageRecord image = PLATTER_TRY(std::move(found));
  bool shared_with = false;
  if (image.visibility == registry::Visibility::kShared && caller.project && image.owner != caller.project) {
    auto member = backend.catalog().FindMember(id, *caller.project);
    if (!member.ok() && member.error().kind() != ErrorKind::kNotFound) return std::move(member).error();
    shared_with = member.ok();
  }
  if (!registry::MaySee(caller, image, shared_with)) return none();
  return image;
}

Result<boost::json::object> ParseObject(std::string_view body) {
  boost::json::value document = PLATTER_TRY(ParseBody(body));
  if (!document.is_object()) return Invalid("The request's body must be a JSON object.");
  return std::move(document.get_object());
}

std::string MediaType(const http::Request& request) {
  const std::string_view field = request.headers.Find("Content-Type").value_or("");
  std::string type(http::Trim(field.substr(0, field.find(';'))));
  std::ranges::transform(type, type.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return type;
}

}  // namespace platter::platterd
