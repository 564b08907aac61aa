// A web server that does what it is asked to, right or wrong (web_server.py): a process of its own, on ports 80, 8080
// and, with TLS, 443 of every address.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace platter::test {

class WebServer {
 public:
  // Requires: Network::Enter(), so that the ports are free.
  WebServer();
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // What is at /file/NAME, and elsewhere.
  void Put(const std::string& name, std::span<const std::byte> content) const;
  // "ADDRESS:PORT" of every connection that was made so far, as the client called it.
  std::vector<std::string> Connections() const;
  // "GET /PATH range" for each request.
  std::vector<std::string> Requests() const;
  // In PEM; it vouches for the names example.org and *.example.org.
  std::string certificate() const { return folder_.File("certificate.pem"); }

 private:
  std::vector<std::string> Lines(const char* name) const;
  const TempDir folder_;
  pid_t process_ = -1;
  int life_ = -1;  // the server ends when this is closed
};

}  // namespace platter::test
