#include "tests/registry/http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "tools/platterd/http/text.h"

namespace platter::test {

Client::Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  ::close(fd_);
  fd_ = -1;
}

Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

bool Client::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void Client::FinishSending() { ::shutdown(fd_, SHUT_WR); }

bool Client::ReadMore() {
  char buffer[65536];
  const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  ahead_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

std::string Client::ReadAll() {
  while (ReadMore()) {
  }
  return std::exchange(ahead_, {});
}

std::string Client::ReadAnswer(bool head_only) {
  std::size_t end = 0;
  while ((end = ahead_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return std::exchange(ahead_, {});
  }
  std::size_t size = end + 4;
  if (!head_only) size += std::strtoull(FieldOf(ahead_, "Content-Length").c_str(), nullptr, 10);
  while (ahead_.size() < size && ReadMore()) {
  }
  std::string answer = ahead_.substr(0, size);
  ahead_.erase(0, answer.size());
  return answer;
}

bool Client::Readable(std::chrono::milliseconds time) const {
  pollfd waiting{fd_, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(time.count())) == 1;
}

unsigned StatusOf(std::string_view answer) {
  if (!answer.starts_with("HTTP/1.1 ")) return 0;
  return static_cast<unsigned>(std::strtoul(std::string(answer.substr(9, 3)).c_str(), nullptr, 10));
}

std::string FieldOf(std::string_view answer, std::string_view name) {
  std::string_view head = answer.substr(0, answer.find("\r\n\r\n"));
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos && http::SameName(line.substr(0, colon), name)) {
      return std::string(line.substr(colon + 2));
    }
    head.remove_prefix(std::min(head.size(), line.size() + 2));
  }
  return "";
}

std::string BodyOf(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(answer.substr(end + 4));
}

std::string Stable(std::string_view answer) {
  std::string out(answer);
  for (const std::string_view name : {"\r\nDate: ", "\r\nX-Openstack-Request-Id: "}) {
    for (std::size_t at = 0; (at = out.find(name, at)) != std::string::npos; at += name.size()) {
      const std::size_t value = at + name.size();
      out.replace(value, out.find("\r\n", value) - value, "*");
    }
  }
  return out;
}

}  // namespace platter::test
