#include "tests/registry/web/network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace platter::test {
namespace {

void BringUp(int socket) {
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  EXPECT_EQ(ioctl(socket, SIOCGIFFLAGS, &request), 0);
  request.ifr_flags |= IFF_UP;
  EXPECT_EQ(ioctl(socket, SIOCSIFFLAGS, &request), 0);
}

void SetAddress(int socket, const std::string& name, const char* text, unsigned long request_code) {
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  EXPECT_EQ(inet_pton(AF_INET, text, &address.sin_addr), 1);
  std::memcpy(&request.ifr_addr, &address, sizeof address);
  EXPECT_EQ(ioctl(socket, request_code, &request), 0) << text;
}

void Bind(const std::string& path, const char* over) {
  EXPECT_EQ(mount(path.c_str(), over, nullptr, MS_BIND, nullptr), 0) << over;
}

}  // namespace

Network& Network::Enter() {
  static Network network;
  return network;
}

Network::Network() {
  EXPECT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << "a network of one's own takes root";
  EXPECT_EQ(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  BringUp(socket);
  int number = 0;
  for (const char* address : {kPublic, kOtherPublic, kPrivate, kMetadata}) {
    const std::string name = "lo:" + std::to_string(++number);
    SetAddress(socket, name, address, SIOCSIFADDR);
    SetAddress(socket, name, "255.255.255.255", SIOCSIFNETMASK);
  }
  close(socket);
  SetHosts("");
  std::ofstream(folder_.File("nsswitch.conf")) << "hosts: files\n";
  Bind(folder_.File("hosts"), "/etc/hosts");
  Bind(folder_.File("nsswitch.conf"), "/etc/nsswitch.conf");
}

void Network::SetUsualHosts() const {
  SetHosts(std::string("127.0.0.1 localhost intern.example\n") + kPublic + " example.org\n");
}

void Network::SetHosts(const std::string& lines) const { std::ofstream(folder_.File("hosts")) << lines; }

}  // namespace platter::test
