// Keystone: callers have tokens, which an OpenStack identity service (API v3) vouches for.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/platterd/auth/authenticator.h"
#include "tools/platterd/config/settings.h"

namespace platter::platterd {

// What a token said is remembered for KeystoneSettings::cache_time, under the token's digest, never the token; a token
// that is revoked meanwhile counts until then, one that expires does not. That a token is none is remembered for some
// seconds. Requests with the same unknown token ask once. Thread-safe.
class Keystone : public Authenticator {
 public:
  // Told of troubles with the identity service; no secret is in it.
  using Complaint = std::function<void(std::string_view)>;

  Keystone(KeystoneSettings settings, Complaint complain);
  ~Keystone() override;
  std::variant<registry::Caller, http::Response> Authenticate(const http::Request& request) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace platter::platterd
