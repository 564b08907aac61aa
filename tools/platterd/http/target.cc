#include "tools/platterd/http/target.h"

#include <algorithm>
#include <utility>

#include "tools/platterd/http/text.h"

namespace platter::http {
namespace {

int HexDigit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Without escapes; in a query a "+" is a space. Empty where an escape is none or the text is none that a name may have.
std::optional<std::string> Unescape(std::string_view text, bool query) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += query && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (out.find('\0') != std::string::npos || !IsUtf8(out)) return std::nullopt;
  return out;
}

// The path and query of an absolute target.
std::string_view WithoutAuthority(std::string_view target) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!SameName(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t path = target.find_first_of("/?");
    return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  return target;
}

std::optional<std::string> DecodePath(std::string_view path, Request& request) {
  request.trailing_slash = path.size() > 1 && path.back() == '/';
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    auto name = Unescape(segment, false);
    if (!name) return "The request's path has a bad escape sequence or is not UTF-8.";
    request.segments.push_back(std::move(*name));
    path.remove_prefix(segment.size());
  }
  return std::nullopt;
}

std::optional<std::string> DecodeQuery(std::string_view query, Request& request) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = Unescape(pair.substr(0, equals), true);
    auto value = Unescape(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return "The request's query has a bad escape sequence or is not UTF-8.";
    request.query.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> DecodeTarget(Request& request) {
  request.segments.clear();
  request.query.clear();
  std::string_view target = WithoutAuthority(request.target);
  if (target.find('#') != std::string_view::npos) return "The request's target has a fragment.";
  const std::string_view path = target.substr(0, target.find('?'));
  const bool absolute = target.size() != request.target.size();
  if (path.empty() ? !absolute : path.front() != '/') return "The request's target is no path.";
  if (auto fault = DecodePath(path, request)) return fault;
  if (path.size() == target.size()) return std::nullopt;
  return DecodeQuery(target.substr(path.size() + 1), request);
}

bool IsHost(std::string_view value) noexcept {
  if (value.empty() || value.size() > 261) return false;  // a name of 255 bytes, a colon, five digits
  std::string_view host = value;
  if (host.front() == '[') {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    const auto in_address = [](char c) { return HexDigit(c) >= 0 || c == ':' || c == '.'; };
    if (!std::all_of(host.begin() + 1, host.begin() + static_cast<std::ptrdiff_t>(end), in_address)) return false;
    host.remove_prefix(end + 1);
  } else {
    const auto in_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
             c == '_';
    };
    const auto end = std::find_if_not(host.begin(), host.end(), in_name);
    if (end == host.begin()) return false;
    host.remove_prefix(static_cast<std::size_t>(end - host.begin()));
  }
  if (host.empty()) return true;
  const std::string_view port = host.substr(1);
  return host.front() == ':' && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace platter::http
