// The routes of the image API: which method at which path does what.
#pragma once

#include <string>

#include "tools/platterd/auth/authenticator.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/v2/backend.h"

namespace platter::platterd {

// The image API, version 2, as Glance 25.1 has it. Every route asks for the caller first; the list of versions does
// not.
class ImageApi : public http::Service {
 public:
  // Both outlive it.
  ImageApi(const Backend& backend, Authenticator& authenticator) : backend_(backend), authenticator_(authenticator) {}
  http::Answer Begin(http::Request request) override;

 private:
  http::Response Versions(const http::Request& request, unsigned status) const;

  const Backend& backend_;
  Authenticator& authenticator_;
};

// The table of routes for people, as Markdown.
std::string ApiReference();

}  // namespace platter::platterd
