// What a request's target says (RFC 9112, 3.2; RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/platterd/http/exchange.h"

namespace platter::http {

// Fills in segments, trailing_slash and query from `request.target`; an absolute target ("http://host/path") counts
// from its path on. What is wrong with it where it is no target: no path, a bad escape, NUL, text that is not UTF-8.
std::optional<std::string> DecodeTarget(Request& request);

// Whether a Host field's value names a host and perhaps a port, and nothing else, so that it may stand in an answer.
bool IsHost(std::string_view value) noexcept;

}  // namespace platter::http
