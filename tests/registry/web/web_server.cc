#include "tests/registry/web/web_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "tests/support/command.h"

namespace platter::test {

WebServer::WebServer() {
  MustRun({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
           "2", "-subj", "/CN=example.org", "-addext", "subjectAltName=DNS:example.org,DNS:*.example.org", "-keyout",
           folder_.File("key.pem"), "-out", certificate()});
  std::array<int, 2> ready{};
  std::array<int, 2> life{};
  EXPECT_EQ(pipe2(ready.data(), O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(life.data(), O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, life[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO);
  const std::string folder = folder_.path().string();
  std::vector<std::string> words = {"/usr/bin/python3", "-B", PLATTER_WEB_SERVER, folder};
  std::vector<char*> raw;
  for (std::string& word : words) raw.push_back(word.data());
  raw.push_back(nullptr);
  EXPECT_EQ(posix_spawn(&process_, raw[0], &actions, nullptr, raw.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(life[0]);
  life_ = life[1];
  close(ready[1]);
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the web server does not start";
  close(ready[0]);
}

WebServer::~WebServer() {
  close(life_);
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

void WebServer::Put(const std::string& name, std::span<const std::byte> content) const {
  std::ofstream file(folder_.path() / name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
}

std::vector<std::string> WebServer::Lines(const char* name) const {
  std::ifstream file(folder_.path() / name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> WebServer::Connections() const { return Lines("connections.log"); }
std::vector<std::string> WebServer::Requests() const { return Lines("requests.log"); }

}  // namespace platter::test
