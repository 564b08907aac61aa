// Clients that are many, slow or silent, and what they cost.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/registry/http/server_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace platter::http {
namespace {

using std::chrono::milliseconds;
using test::BodyOf;
using test::Client;
using test::StatusOf;

TEST_F(ServerTest, TwoHundredConnectionsAtOnce) {
  Start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<Client>(server_->port()));
  for (const auto& client : clients) client->Send(kGet);
  for (const auto& client : clients) EXPECT_EQ(StatusOf(client->ReadAnswer()), 200);
}

TEST_F(ServerTest, ConnectionsBeyondTheCapWait) {
  ServerLimits few = limits();
  few.connections = 2;
  Start({.limits = few});
  auto first = std::make_unique<Client>(server_->port());
  Client second(server_->port());
  first->Send(kGet);
  second.Send(kGet);
  EXPECT_EQ(StatusOf(first->ReadAnswer()), 200);
  EXPECT_EQ(StatusOf(second.ReadAnswer()), 200);
  Client third(server_->port());
  third.Send(kGet);
  EXPECT_FALSE(third.Readable(milliseconds(100)));
  first.reset();
  EXPECT_EQ(StatusOf(third.ReadAnswer()), 200);
}

constexpr std::string_view kRefused = "PUT /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";

struct SilentRow {
  std::string_view what;
  std::string_view bytes;  // that the client sends before it falls silent
  std::string_view answer;
};

// However a client keeps a connection without a request under way, it makes room for others.
TEST_F(ServerTest, WhoWaitsLongestMakesRoom) {
  const SilentRow rows[] = {{"silent from the start", "", ""},
                            {"a header without an end", "GET /echo HTTP/1.1\r\n", ""},
                            {"idle between requests", kGet, "HTTP/1.1 200 OK"},
                            {"lingering after an error", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request"},
                            {"owing a body that nobody wants", kRefused, "HTTP/1.1 403 Forbidden"}};
  ServerLimits few = limits();
  few.connections = 3;
  few.spare_time = milliseconds(50);
  few.linger_time = milliseconds(60000);
  for (const SilentRow& row : rows) {
    test::EchoService service;
    auto server = Server::Listen({.limits = few}, service, nullptr);
    ASSERT_TRUE(server.ok());
    Client busy(server.value()->port());
    busy.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    ASSERT_TRUE(test::Eventually([&] { return service.begun > 0; }));
    std::vector<std::unique_ptr<Client>> silent;
    for (int i = 0; i < 9; ++i) {
      silent.push_back(std::make_unique<Client>(server.value()->port()));
      silent.back()->Send(row.bytes);
    }
    Client client(server.value()->port());
    client.Send(kGet);
    EXPECT_TRUE(client.Readable(milliseconds(10000))) << row.what;
    EXPECT_EQ(StatusOf(client.ReadAnswer()), 200) << row.what;
    const std::string first = silent.front()->ReadAll();
    EXPECT_EQ(first.substr(0, first.find("\r\n")), row.answer) << row.what;
    busy.Send("bc");
    EXPECT_EQ(BodyOf(busy.ReadAnswer()), SumOf("abc")) << row.what;
  }
}

// The number that the next descriptor will have.
int NextDescriptor() {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(fd);
  return fd;
}

TEST_F(ServerTest, WhoWaitsMakesRoomForDescriptors) {
  ServerLimits some = limits();
  some.spare_time = milliseconds(50);
  Start({.limits = some});
  Client silent(server_->port());
  ASSERT_TRUE(test::Eventually([&] { return server_->load().connections == 1; }));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{static_cast<rlim_t>(NextDescriptor()) + 1, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  Client client(server_->port());
  client.Send(kGet);
  EXPECT_TRUE(client.Readable(milliseconds(10000)));
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
  EXPECT_EQ(silent.ReadAll(), "");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

// The rest of a body that nobody wants may come after the answer, and no client draws it out.
TEST_F(ServerTest, AnUnwantedBodyHasItsTime) {
  ServerLimits quick = limits();
  quick.linger_time = milliseconds(500);
  quick.minimum_rate = 0;
  Start({.limits = quick});
  Client sends(server_->port());
  sends.Send(kRefused);
  EXPECT_EQ(StatusOf(sends.ReadAnswer()), 403);
  sends.Send(std::string(60000, 'x'));
  sends.Send(kGet);
  EXPECT_EQ(StatusOf(sends.ReadAnswer()), 200);
  Client drips(server_->port());
  drips.Send(kRefused);
  EXPECT_EQ(StatusOf(drips.ReadAnswer()), 403);
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < milliseconds(10000) && !drips.Readable(milliseconds(20))) {
    drips.Send("x");
  }
  EXPECT_EQ(drips.ReadAnswer(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(10000));
}

// A client that asked before has longer.
TEST_F(ServerTest, TheFirstRequestHasTheTimeOfAHeader) {
  ServerLimits quick = limits();
  quick.head_time = milliseconds(100);
  quick.keep_alive_time = milliseconds(60000);
  Start({.limits = quick});
  Client asks(server_->port());
  asks.Send(kGet);
  EXPECT_EQ(StatusOf(asks.ReadAnswer()), 200);
  Client silent(server_->port());
  ASSERT_TRUE(silent.Readable(milliseconds(10000)));
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_FALSE(asks.Readable(milliseconds(300)));
  asks.Send(kGet);
  EXPECT_EQ(StatusOf(asks.ReadAnswer()), 200);
}

TEST_F(ServerTest, ASlowHeaderIsCutOff) {
  ServerLimits quick = limits();
  quick.head_time = milliseconds(200);
  Start({.limits = quick});
  Client client(server_->port());
  client.Send("GET /echo HTTP/1.1\r\n");
  EXPECT_EQ(StatusOf(client.ReadAll()), 408);
}

TEST_F(ServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  ServerLimits quick = limits();
  quick.keep_alive_time = milliseconds(100);
  Start({.limits = quick});
  Client client(server_->port());
  client.Send(kGet);
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
  EXPECT_EQ(client.ReadAll(), "");
}

// A byte now and then, each long before the time-out of a stall.
TEST_F(ServerTest, ASlowBodyIsCutOff) {
  ServerLimits quick = limits();
  quick.grace_time = milliseconds(200);
  quick.minimum_rate = 1000;
  Start({.limits = quick});
  Client client(server_->port());
  client.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
  for (int i = 0; i < 2000 && !client.Readable(milliseconds(10)); ++i) client.Send("x");
  EXPECT_EQ(StatusOf(client.ReadAll()), 408);
  ASSERT_TRUE(test::Eventually([&] { return service_.broken_off > 0; }));
}

// The service's own time is not the client's.
TEST_F(ServerTest, ASlowServiceIsNotTheClientsFault) {
  ServerLimits quick = limits();
  quick.grace_time = milliseconds(300);
  quick.minimum_rate = 100'000'000;
  Start({.limits = quick});
  Client client(server_->port());
  const std::string body(3'000'000, 'x');
  client.Send("PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + body);
  EXPECT_EQ(BodyOf(client.ReadAnswer()), SumOf(body));
}

TEST_F(ServerTest, AStalledBodyIsCutOff) {
  ServerLimits quick = limits();
  quick.stall_time = milliseconds(100);
  Start({.limits = quick});
  Client client(server_->port());
  client.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nabc");
  EXPECT_EQ(StatusOf(client.ReadAll()), 408);
}

TEST_F(ServerTest, AClientThatDoesNotReadIsCutOff) {
  const test::TempDir folder;
  service_.file = folder.File("object");
  std::ofstream(service_.file, std::ios::binary) << std::string(64'000'000, 'x');
  ServerLimits quick = limits();
  quick.stall_time = milliseconds(200);
  Start({.limits = quick});
  for (const std::string_view target : {"/file", "/file?read"}) {
    Client client(server_->port());
    client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", target));
    const std::size_t before = seen().size();
    ASSERT_TRUE(test::Eventually([&] { return seen().size() != before; }));
    EXPECT_EQ(seen().back(), fmt::format("GET {} 200 broken", target));
    EXPECT_LT(client.ReadAll().size(), 64'000'000);
  }
}

}  // namespace
}  // namespace platter::http
