// A server in front of an EchoService, and what became of its requests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/registry/http/client.h"
#include "tests/registry/http/echo_service.h"
#include "tools/platterd/http/server.h"

namespace platter::http {

class ServerTest : public testing::Test {
 protected:
  ServerLimits limits() {
    ServerLimits limits;
    limits.linger_time = std::chrono::milliseconds(2000);
    return limits;
  }
  void Start(const ServerOptions& options) {
    auto server = Server::Listen(options, service_, [this](const Exchange& exchange) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(fmt::format("{} {} {}{}", exchange.method, exchange.target, exchange.status,
                                  exchange.broken ? " broken" : ""));
      if (!exchange.trouble.empty()) seen_.back() += fmt::format(": {}", exchange.trouble);
    });
    ASSERT_TRUE(server.ok());
    server_ = std::move(server).value();
  }
  void Start() { Start({.limits = limits()}); }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  // Sends everything, says that nothing follows, and reads everything.
  std::string Exchanged(std::string_view bytes) {
    test::Client client(server_->port());
    client.Send(bytes);
    client.FinishSending();
    return client.ReadAll();
  }

  test::EchoService service_;
  std::mutex mutex_;
  std::vector<std::string> seen_;
  std::unique_ptr<Server> server_;
};

inline constexpr std::string_view kGet = "GET /echo HTTP/1.1\r\nHost: a:1\r\n\r\n";

// What /sum answers to that body.
inline std::string SumOf(std::string_view bytes) {
  std::uint64_t sum = 0;
  for (const char byte : bytes) sum = sum * 31 + static_cast<unsigned char>(byte);
  return fmt::format("{} {:x}\n", bytes.size(), sum);
}

}  // namespace platter::http
