#include "tests/registry/databases/database.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "registry-core/model/image_record.h"

namespace platter::test {
namespace {

using registry::Connection;
using registry::DatabaseUrl;
using registry::Engine;
using registry::Sql;

constexpr unsigned kConnectSeconds = 30;

const char* Variable(const char* name) { return std::getenv(name); }

// The server's own, in which others are made.
DatabaseUrl ServerUrl() { return DatabaseUrl::Parse(Variable("PLATTER_TEST_DATABASE")).value(); }

void OnServer(const std::string& statement) {
  auto connection = Connection::Open(ServerUrl(), kConnectSeconds);
  if (!connection.ok()) throw std::runtime_error(connection.error().Describe());
  Execute(*connection.value(), statement);
}

std::string FreshName() {
  std::string name = "test_" + registry::NewIdentifier();
  for (char& letter : name) letter = letter == '-' ? '_' : letter;
  return name;
}

}  // namespace

Database::Database() {
  if (Variable("PLATTER_TEST_DATABASE") == nullptr) {
    url_ = DatabaseUrl::Parse("sqlite:///" + folder_.File("registry.sqlite")).value();
    return;
  }
  url_ = ServerUrl();
  url_.database = FreshName();
  OnServer("CREATE DATABASE " + url_.database);
}

Database::~Database() {
  if (engine() == Engine::kSqlite) return;
  OnServer("DROP DATABASE " + url_.database + (engine() == Engine::kPostgreSql ? " WITH (FORCE)" : ""));
}

std::unique_ptr<Connection> Database::Connect() const {
  auto connection = Connection::Open(url_, kConnectSeconds);
  if (!connection.ok()) throw std::runtime_error(connection.error().Describe());
  return std::move(connection).value();
}

void Execute(Connection& connection, std::string_view statement) {
  const auto done = connection.Run(Sql(statement));
  if (!done.ok()) throw std::runtime_error(std::string(statement) + ": " + done.error().Describe());
}

void ControlServer(std::string_view word) {
  const char* path = Variable("PLATTER_TEST_DATABASE_CONTROL");
  ASSERT_NE(path, nullptr) << "runs beside a server only: databases.py mariadb|postgresql COMMAND";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(std::strlen(path), sizeof address.sun_path);
  std::strcpy(address.sun_path, path);
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
      << std::strerror(errno);
  const std::string line = std::string(word) + "\n";
  ASSERT_EQ(write(connection, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  shutdown(connection, SHUT_WR);
  std::string answer;
  std::array<char, 512> part{};
  for (ssize_t got = 0; (got = read(connection, part.data(), part.size())) > 0;)
    answer.append(part.data(), static_cast<std::size_t>(got));
  close(connection);
  EXPECT_EQ(answer, "done\n") << word;
}

}  // namespace platter::test
