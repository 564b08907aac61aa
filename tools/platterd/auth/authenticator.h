// Authenticator: who makes a request.
#pragma once

#include <variant>

#include "registry-core/access/caller.h"
#include "tools/platterd/http/exchange.h"

namespace platter::platterd {

// Thread rule: many at once; may block.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // The caller, or the answer for one who is nobody (401 with WWW-Authenticate, 503 where the identity service is
  // away).
  virtual std::variant<registry::Caller, http::Response> Authenticate(const http::Request& request) = 0;
};

// Without authentication everybody is an administrator, as with Glance's paste flavor without keystone.
class NoAuthentication : public Authenticator {
 public:
  std::variant<registry::Caller, http::Response> Authenticate(const http::Request& request) override;
};

}  // namespace platter::platterd
