// Call: one request at the API, whose caller is known, and what answers are made of.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "registry-core/access/caller.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/v2/backend.h"

namespace platter::platterd {

struct Call {
  http::Request request;
  registry::Caller caller;
  std::vector<std::string> parameters;  // what stands in the path for {}, in its order
};

// An error is answered by ErrorResponse.
using Reply = Result<http::Response>;

// 404 for kNotFound, 403 for kDenied, 409 for kConflict and kExists, 413 for kLimit and a full disk, 400 for kInvalid,
// 410 for kCancelled (the image went away meanwhile), 503 where the database or a store is away, 500 for the rest. The
// explanation is the error's own where it is about the request; where it is about the service, the log gets it.
http::Response ErrorResponse(const Error& error);

http::Response JsonResponse(unsigned status, std::string json);
http::Response EmptyResponse(unsigned status);

Error NotFound(std::string what);
Error Forbidden(std::string what);
Error Invalid(std::string what);
Error Conflict(std::string what);

// The record, if there is one that the caller may see; "No image found with ID ..." otherwise.
Result<registry::ImageRecord> VisibleImage(const Backend& backend, const registry::Caller& caller, std::string_view id);

// The body as a JSON object. kInvalid.
Result<boost::json::object> ParseObject(std::string_view body);

// A media type without its parameters, in lower case; "" where the request names none.
std::string MediaType(const http::Request& request);

}  // namespace platter::platterd
