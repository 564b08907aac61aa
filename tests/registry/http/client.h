// A client that sends what it is told, byte for byte.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace platter::test {

class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // False once the server does not take bytes any more.
  bool Send(std::string_view bytes);
  // That nothing more will be sent.
  void FinishSending();
  // Everything up to the end of the connection.
  std::string ReadAll();
  // One answer: its header, and as many bytes as it says. For HEAD the header alone. "" at the end of the connection.
  std::string ReadAnswer(bool head_only = false);
  // Whether a byte is there within that time.
  bool Readable(std::chrono::milliseconds time) const;

 private:
  bool ReadMore();
  int fd_ = -1;
  std::string ahead_;
};

// "HTTP/1.1 200 OK\r\nDate: ...\r\n\r\nbody" -> 200.
unsigned StatusOf(std::string_view answer);
// The first field of that name; "" for none.
std::string FieldOf(std::string_view answer, std::string_view name);
std::string BodyOf(std::string_view answer);
// As it came, but for what differs from answer to answer: the values of Date and X-Openstack-Request-Id become "*".
std::string Stable(std::string_view answer);

}  // namespace platter::test
