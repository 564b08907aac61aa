// The server over real sockets: raw bytes in, exact answers out.
#include "tools/platterd/http/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/registry/http/server_fixture.h"
#include "tests/support/command.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"
#include "tools/platterd/http/pace.h"

namespace platter::http {
namespace {

using std::chrono::milliseconds;
using test::BodyOf;
using test::Client;
using test::FieldOf;
using test::Stable;
using test::StatusOf;

TEST_F(ServerTest, AnswersAsGlanceDoes) {
  Start();
  EXPECT_EQ(
      Stable(Exchanged("GET /v2/images?limit=2&name=a%20b+c HTTP/1.1\r\nHost: registry:9292\r\nX-Any: 1\r\n\r\n")),
      "HTTP/1.1 200 OK\r\nContent-Length: 143\r\nContent-Type: text/plain\r\nX-Openstack-Request-Id: *\r\nDate: *\r\n"
      "Connection: keep-alive\r\n\r\n"
      "GET /v2/images?limit=2&name=a%20b+c\nsegments [v2|images]\nquery limit=2\nquery name=a b c\n"
      "Host: registry:9292\nX-Any: 1\nbase http://registry:9292\n");
  const std::string answer = Exchanged(kGet);
  EXPECT_EQ(FieldOf(answer, "X-Openstack-Request-Id").substr(0, 4), "req-");
  EXPECT_EQ(FieldOf(answer, "Date").size(), std::string("Mon, 23 Nov 2026 06:21:27 GMT").size());
}

std::string Repeated(std::string_view text, std::size_t count) {
  std::string out;
  while (count-- > 0) out += text;
  return out;
}

struct AnswerRow {
  std::string_view what;
  std::string request;
  unsigned status;
  bool stays;  // the connection, for another request
};

const AnswerRow kAnswers[] = {
    {"a plain request", std::string(kGet), 200, true},
    {"empty lines in front", "\r\n\r\n" + std::string(kGet), 200, true},
    {"too many empty lines in front", Repeated("\r\n", 9) + std::string(kGet), 400, false},
    {"the absolute form", "GET http://a:1/echo HTTP/1.1\r\nHost: a:1\r\n\r\n", 200, true},
    {"HTTP/1.0", "GET /echo HTTP/1.0\r\n\r\n", 200, false},
    {"HTTP/1.0, kept alive", "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true},
    {"close", "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, false},
    {"204", "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 204, true},
    {"fixed length", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 200, true},
    {"length 0", "PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200, true},
    {"no body at all", "PUT /sum HTTP/1.1\r\nHost: a\r\n\r\n", 200, true},
    {"chunked", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, true},
    {"chunked, in capitals", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200, true},
    {"a body that nobody wants", "PUT /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 403, true},
    {"a long body that nobody wants", "PUT /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\nabc", 403,
     false},
    {"another expectation", "PUT /sum HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\na", 417, true},
    {"a body over its limit",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n" + std::string(100001, 'x'), 413, true},
    // What is wrong.
    {"no request line", "hello\r\n\r\n", 400, false},
    {"another protocol", "GET /echo SPDY/1.1\r\nHost: a\r\n\r\n", 505, false},
    {"HTTP/2", "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", 505, false},
    {"no host", "GET /echo HTTP/1.1\r\n\r\n", 400, false},
    {"two hosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, false},
    {"a host with markup", "GET /echo HTTP/1.1\r\nHost: a\"b\r\n\r\n", 400, false},
    {"a host with a path", "GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, false},
    {"no path", "GET echo HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"the server as a whole", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"a bad escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"a bad escape in the query", "GET /a?b=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"an escaped NUL", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"no UTF-8", "GET /a%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, false},
    {"a space in the name of a field", "GET /echo HTTP/1.1\r\nHost : a\r\n\r\n", 400, false},
    {"a field without a colon", "GET /echo HTTP/1.1\r\nHost: a\r\nfield\r\n\r\n", 400, false},
    {"a folded field", "GET /echo HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400, false},
    {"a NUL", std::string("GET /echo HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 37), 400, false},
    {"line feeds alone", "GET /echo HTTP/1.1\nHost: a\n\r\n\r\n", 400, false},
    {"a CR within", "GET /echo HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", 400, false},
    {"both lengths",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, false},
    {"both lengths, turned",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, false},
    {"two lengths", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, false},
    {"the same length twice", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400,
     false},
    {"lengths in a list", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400, false},
    {"a length with a sign", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400, false},
    {"a negative length", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabc", 400, false},
    {"a length beyond 64 bits", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400,
     false},
    {"another coding", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, false},
    {"two codings", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, false},
    {"a hidden coding", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, false},
    {"chunked twice",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     false},
    {"chunked in HTTP/1.0", "PUT /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, false},
    {"a chunk without a size", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", 400, false},
    {"a chunk's size with 0x",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400, false},
    {"a chunk's size with a sign",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", 400, false},
    {"a chunk beyond 64 bits",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n", 400, false},
    {"a chunk that is longer than it says",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400, false},
    {"a chunk's line that ends in LF",
     "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400, false},
    {"a body that ends early", "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nabc", 400, false},
    {"chunks that end early", "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 400,
     false},
    {"a long header", "GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(20000, 'x') + "\r\n\r\n", 431, false},
    {"a header without an end", "GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(20000, 'x'), 431, false},
    {"a long target", "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, false},
};

TEST_F(ServerTest, EveryRequestGetsItsAnswer) {
  Start();
  for (const AnswerRow& row : kAnswers) {
    const std::string answers = Exchanged(row.request + std::string(kGet));
    EXPECT_EQ(StatusOf(answers), row.status) << row.what << "\n" << answers;
    EXPECT_EQ(FieldOf(answers, "Connection"), row.stays ? "keep-alive" : "close") << row.what;
    const std::size_t second = answers.find("HTTP/1.1 ", 1);
    EXPECT_EQ(second != std::string::npos, row.stays) << row.what << "\n" << answers;
    EXPECT_EQ(FieldOf(answers, "X-Openstack-Request-Id").substr(0, 4), "req-") << row.what;
  }
}

TEST_F(ServerTest, TooManyFieldsAreRefused) {
  Start();
  std::string request = "GET /echo HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 100; ++i) request += fmt::format("X-{}: {}\r\n", i, i);
  EXPECT_EQ(StatusOf(Exchanged(request + "\r\n")), 431);
}

TEST_F(ServerTest, HeadHasTheHeaderAlone) {
  Start();
  const std::string answer = Exchanged("HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_GT(FieldOf(answer, "Content-Length").size(), 1);
  EXPECT_EQ(BodyOf(answer), "");
}

TEST_F(ServerTest, NoValueEndsItsLine) {
  Start();
  const std::string answer = Exchanged("GET /split HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(FieldOf(answer, "Location"), "here  Set-Cookie: x");
  EXPECT_EQ(FieldOf(answer, "Set-Cookie"), "");
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  std::string requests;
  std::string wanted;
  for (int i = 0; i < 50; ++i) {
    const std::string body(static_cast<std::size_t>(i) * 100, static_cast<char>('a' + i % 26));
    requests += fmt::format("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
    wanted += fmt::format("{}:{}\n", body.size(), body);
  }
  Client client(server_->port());
  std::thread sender([&] { client.Send(requests); });
  std::string got;
  for (int i = 0; i < 50; ++i) got += BodyOf(client.ReadAnswer());
  sender.join();
  EXPECT_EQ(got, wanted);
}

TEST_F(ServerTest, AnswersOfAnyLengthArriveWhole) {
  Start();
  Client client(server_->port());
  for (const std::size_t size : {0U, 16376U, 16377U, 16378U, 16379U, 50000U, 100000U}) {
    const std::string body(size, 'b');
    client.Send(fmt::format("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", size, body));
    EXPECT_EQ(BodyOf(client.ReadAnswer()), fmt::format("{}:{}\n", size, body));
  }
}

// However the bytes are cut, the request is the same.
TEST_F(ServerTest, BytesMayComeOneByOne) {
  Start();
  const std::string request =
      "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: "
      "1\r\n\r\n" +
      std::string(kGet);
  Client client(server_->port());
  for (const char c : request) ASSERT_TRUE(client.Send(std::string_view(&c, 1)));
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "13:abc0123456789\n");
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
}

std::string Pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

TEST_F(ServerTest, LongBodiesArriveWhole) {
  Start();
  const std::string body = Pattern(9'000'001);
  Client client(server_->port());
  client.Send(fmt::format("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.size()));
  client.Send(body);
  EXPECT_EQ(BodyOf(client.ReadAnswer()), SumOf(body));
  client.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::size_t at = 0, size = 1; at < body.size(); at += size, size = size * 3 % 300'007 + 1) {
    const std::string_view chunk = std::string_view(body).substr(at, size);
    client.Send(fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk));
  }
  client.Send("0\r\n\r\n");
  EXPECT_EQ(BodyOf(client.ReadAnswer()), SumOf(body));
  EXPECT_EQ(service_.broken_off, 0);
}

// Workers wait for the next piece of a quick client themselves, but not for long.
TEST_F(ServerTest, AQuickClientMayPause) {
  Start({.workers = 1, .limits = limits()});
  const std::string body = Pattern(30'000'003);
  const std::string_view pieces[] = {std::string_view(body).substr(0, 20'000'000),
                                     std::string_view(body).substr(20'000'000, 1),
                                     std::string_view(body).substr(20'000'001)};
  Client client(server_->port());
  client.Send(fmt::format("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.size()));
  for (const std::string_view piece : pieces) {
    client.Send(piece);
    std::this_thread::sleep_for(milliseconds(30));
    // The only worker is free meanwhile.
    EXPECT_EQ(StatusOf(Exchanged(kGet)), 200);
  }
  client.Send(kGet);
  EXPECT_EQ(BodyOf(client.ReadAnswer()), SumOf(body));
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
}

// Ends of bodies that take long keep neither requests nor other bodies.
TEST_F(ServerTest, WhatTakesLongIsNotWaitedFor) {
  const test::TempDir folder;
  service_.file = folder.File("object");
  std::ofstream(service_.file, std::ios::binary) << Pattern(100'000);
  Start({.workers = 1, .limits = limits()});
  constexpr std::string_view kLong = "PUT /long HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  std::vector<std::unique_ptr<Client>> long_ones;
  for (int i = 0; i < 3; ++i) {
    long_ones.push_back(std::make_unique<Client>(server_->port()));
    long_ones.back()->Send(kLong);
  }
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting > 0 && server_->load().queued >= 2; }));
  EXPECT_EQ(server_->load().running, 1);
  EXPECT_EQ(StatusOf(Exchanged(kGet)), 200);
  EXPECT_EQ(BodyOf(Exchanged("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")), SumOf("abc"));
  EXPECT_EQ(BodyOf(Exchanged("GET /file?read HTTP/1.1\r\nHost: a\r\n\r\n")).size(), 100'000);
  service_.Release();
  for (const auto& client : long_ones) EXPECT_EQ(BodyOf(client->ReadAnswer()), SumOf("abc"));
}

// Of two threads for ends of bodies one is another owner's.
TEST_F(ServerTest, NobodyHasAllThreadsForWhatTakesLong) {
  Start({.workers = 4, .limits = limits()});
  const auto send = [&](std::string_view owner) {
    auto client = std::make_unique<Client>(server_->port());
    client->Send(fmt::format("PUT /long/{} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", owner));
    return client;
  };
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(send("one"));
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting == 1 && server_->load().queued == 2; }));
  clients.push_back(send("other"));
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting == 2; }));
  EXPECT_EQ(server_->load().queued, 2);
  service_.Release();
  for (const auto& client : clients) EXPECT_EQ(BodyOf(client->ReadAnswer()), SumOf("abc"));
}

// Where nobody's share is counted, all threads are used.
TEST_F(ServerTest, NobodysCallsHaveAllThreads) {
  Start({.workers = 4, .limits = limits()});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(server_->port()));
    clients.back()->Send("PUT /long HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  }
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting == 2 && server_->load().queued == 1; }));
  service_.Release();
  for (const auto& client : clients) EXPECT_EQ(BodyOf(client->ReadAnswer()), SumOf("abc"));
}

TEST_F(ServerTest, WhatIsApartWaitsForNobody) {
  Start({.workers = 1, .limits = limits()});
  Client busy(server_->port());
  busy.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting > 0; }));
  EXPECT_EQ(BodyOf(Exchanged("GET /apart HTTP/1.1\r\nHost: a\r\n\r\n")), "apart\n");
  service_.Release();
  EXPECT_EQ(BodyOf(busy.ReadAnswer()), "released\n");
}

// Clients that do not read cannot make the server hold any number of answers; short ones are not counted.
TEST_F(ServerTest, LongAnswersHaveMemoryTogether) {
  constexpr std::string_view kLong = "GET /letters/30000000 HTTP/1.1\r\nHost: a\r\n\r\n";
  constexpr std::string_view kShort = "GET /letters/60000 HTTP/1.1\r\nHost: a\r\n\r\n";
  Start({.answer_memory = 70'000'000, .limits = limits()});
  std::vector<std::unique_ptr<Client>> unread;
  for (int i = 0; i < 2; ++i) {
    unread.push_back(std::make_unique<Client>(server_->port()));
    unread.back()->Send(kLong);
    ASSERT_TRUE(unread.back()->Readable(milliseconds(10000)));
  }
  Client client(server_->port());
  client.Send(kLong);
  const std::string refused = client.ReadAnswer();
  EXPECT_EQ(StatusOf(refused), 503);
  EXPECT_EQ(FieldOf(refused, "Retry-After"), "10");
  EXPECT_EQ(FieldOf(refused, "Connection"), "keep-alive");
  client.Send(kShort);
  EXPECT_EQ(BodyOf(client.ReadAnswer()).size(), 60'000);
  EXPECT_EQ(BodyOf(unread.front()->ReadAnswer()).size(), 30'000'000);
  EXPECT_TRUE(test::Eventually([&] {
    client.Send(kLong);
    return BodyOf(client.ReadAnswer()).size() == 30'000'000;
  }));
}

TEST_F(ServerTest, ContinueIsSaidOnceTheBodyIsWanted) {
  Start();
  Client client(server_->port());
  client.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_EQ(BodyOf(client.ReadAnswer()), SumOf("abc"));
  client.Send("PUT /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  const std::string refusal = client.ReadAnswer();
  EXPECT_EQ(StatusOf(refusal), 403);
  EXPECT_EQ(FieldOf(refusal, "Connection"), "close");
  EXPECT_NE(BodyOf(refusal).find("You may not &lt;this&gt;.<br />"), std::string::npos);
}

// The client goes on sending for a while before it looks: the answer is still there.
TEST_F(ServerTest, AnEarlyAnswerIsRead) {
  Start();
  Client client(server_->port());
  client.Send("PUT /early/1000 HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 200; ++i) client.Send(piece);
  EXPECT_EQ(BodyOf(client.ReadAll()), "enough after 1000\n");
  server_->Drain(milliseconds(5000));
  EXPECT_EQ(service_.broken_off, 1);
  EXPECT_EQ(seen(), std::vector<std::string>{"PUT /early/1000 409"});
}

// Nothing more comes from the client, and the server does not wait for it.
TEST_F(ServerTest, AnEarlyAnswerIsNotHeldBack) {
  Start();
  Client client(server_->port());
  client.Send("PUT /early/3 HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\nabc");
  EXPECT_EQ(BodyOf(client.ReadAnswer()), "enough after 3\n");
}

TEST_F(ServerTest, AClientThatBreaksOffIsNoticed) {
  Start();
  {
    Client client(server_->port());
    client.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\nabc");
    ASSERT_TRUE(test::Eventually([&] { return service_.begun > 0; }));
  }
  ASSERT_TRUE(test::Eventually([&] { return service_.broken_off > 0; }));
}

struct RangeRow {
  std::string_view target;
  std::uint64_t first, last;
};

TEST_F(ServerTest, FilesAreSentInRanges) {
  const test::TempDir folder;
  service_.file = folder.File("object");
  const std::string content = Pattern(5'000'000);
  std::ofstream(service_.file, std::ios::binary) << content;
  Start();
  Client client(server_->port());
  const RangeRow rows[] = {{"/file", 0, 4'999'999},         {"/file", 1, 1},
                           {"/file", 4'000'000, 4'999'999}, {"/file", 0, 0},
                           {"/file?read", 0, 4'999'999},    {"/file?read", 262'143, 524'289}};
  for (const RangeRow& row : rows) {
    client.Send(
        fmt::format("GET {} HTTP/1.1\r\nHost: a\r\nRange: bytes={}-{}\r\n\r\n", row.target, row.first, row.last));
    const std::string answer = client.ReadAnswer();
    EXPECT_EQ(StatusOf(answer), 206);
    EXPECT_TRUE(BodyOf(answer) == content.substr(row.first, row.last - row.first + 1)) << row.target << row.first;
  }
  client.Send("HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(FieldOf(client.ReadAnswer(true), "Content-Length"), "5000000");
}

// Writes them to the disk, and has the system forget them.
void Forget(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::fsync(fd), 0);
  ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(fd);
}

// The threads of the sockets do not wait for a disk: what has to be read from it is sent by those who move bytes, of
// whom the only one is busy here.
TEST_F(ServerTest, WhatIsNotInMemoryIsSentByOthers) {
  const test::TempDir folder;
  service_.file = folder.File("object");
  const std::string content = Pattern(20'000'000);
  std::ofstream(service_.file, std::ios::binary) << content;
  Start({.io_threads = 1, .workers = 1, .limits = limits()});
  Client busy(server_->port());
  busy.Send("PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting > 0; }));
  Forget(service_.file);
  Client client(server_->port());
  client.Send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(test::Eventually([&] { return server_->load().queued > 0; }));
  EXPECT_EQ(StatusOf(Exchanged(kGet)), 200);
  EXPECT_EQ(server_->load().queued, 1);
  service_.Release();
  EXPECT_TRUE(BodyOf(client.ReadAnswer()) == content);
  EXPECT_EQ(BodyOf(busy.ReadAnswer()), SumOf("abc"));
}

// More is promised than the file has: the connection ends, so that the client does not take it for whole.
TEST_F(ServerTest, AFileThatIsShorterEndsTheConnection) {
  const test::TempDir folder;
  service_.file = folder.File("object");
  std::ofstream(service_.file, std::ios::binary) << Pattern(1000);
  Start();
  for (const std::string_view target : {"/file", "/file?read"}) {
    Client client(server_->port());
    client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1999\r\n\r\n", target));
    const std::string answer = client.ReadAll();
    EXPECT_EQ(FieldOf(answer, "Content-Length"), "2000");
    EXPECT_EQ(BodyOf(answer).size(), 1000) << target;
    EXPECT_EQ(seen().back(), fmt::format("GET {} 206 broken: the store's object has become shorter", target));
  }
}

// A folder opens as a file does, and cannot be read.
TEST_F(ServerTest, WhatCannotBeReadIsTold) {
  const test::TempDir folder;
  service_.file = folder.File("");
  Start();
  for (const std::string_view target : {"/file", "/file?read"}) {
    EXPECT_EQ(StatusOf(Exchanged(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n", target))), 206);
    EXPECT_EQ(seen().back().substr(0, seen().back().find(": ")), fmt::format("GET {} 206 broken", target));
    EXPECT_NE(seen().back().find(target == "/file" ? "Invalid argument" : "Is a directory"), std::string::npos)
        << seen().back();
  }
}

TEST_F(ServerTest, LimitsMayChangeWhileItRuns) {
  Start();
  EXPECT_EQ(StatusOf(Exchanged(kGet)), 200);
  ServerLimits small = limits();
  small.head.bytes = 32;
  server_->SetLimits(small);
  EXPECT_EQ(StatusOf(Exchanged(kGet)), 431);
}

TEST_F(ServerTest, ADrainLetsRequestsFinish) {
  Start();
  Client idle(server_->port());
  idle.Send(kGet);
  EXPECT_EQ(StatusOf(idle.ReadAnswer()), 200);
  Client busy(server_->port());
  busy.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting > 0; }));
  std::thread drain([this] { server_->Drain(milliseconds(20000)); });
  EXPECT_EQ(idle.ReadAll(), "");
  Client late(server_->port());
  EXPECT_FALSE(late.Send(kGet) && StatusOf(late.ReadAnswer()) == 200);
  service_.Release();
  const std::string answer = busy.ReadAnswer();
  EXPECT_EQ(BodyOf(answer), "released\n");
  EXPECT_EQ(FieldOf(answer, "Connection"), "close");
  busy.FinishSending();
  drain.join();
}

// What would not end by itself is told to.
TEST_F(ServerTest, ADrainEndsCallsThatGoOn) {
  Start();
  Client busy(server_->port());
  busy.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(test::Eventually([&] { return service_.waiting > 0; }));
  int told = 0;
  server_->Drain(milliseconds(50), [&] {
    ++told;
    service_.Release();
  });
  EXPECT_EQ(told, 1);
  server_.reset();
  EXPECT_EQ(told, 1);
}

TEST_F(ServerTest, ADrainIsBounded) {
  Start();
  Client client(server_->port());
  client.Send("PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nabc");
  ASSERT_TRUE(test::Eventually([&] { return service_.begun > 0; }));
  server_->Drain(milliseconds(50));
  EXPECT_EQ(service_.broken_off, 1);
}

TEST(Pace, BytesEarnTime) {
  constexpr milliseconds kYear = std::chrono::hours(24 * 365);
  EXPECT_EQ(EarnedTime(0, 1024), milliseconds(0));
  EXPECT_EQ(EarnedTime(512, 1024), milliseconds(500));
  EXPECT_EQ(EarnedTime(std::uint64_t{1} << 30, 1024), std::chrono::seconds(1 << 20));
  EXPECT_EQ(EarnedTime(std::uint64_t{10} << 30, 1), kYear) << "10 GiB at a byte a second are 340 years";
  EXPECT_EQ(EarnedTime(UINT64_MAX, 1), kYear);
}

TEST_F(ServerTest, SpeaksTls) {
  const test::TempDir folder;
  const std::string certificate = folder.File("certificate.pem");
  const std::string key = folder.File("key.pem");
  (void)test::MustRun(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
       "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate},
      {.folder = "", .environment = {}, .merge_streams = true});
  service_.file = folder.File("object");
  const std::string content = Pattern(3'000'000);
  std::ofstream(service_.file, std::ios::binary) << content;
  Start({.cert_file = certificate, .key_file = key, .limits = limits()});
  const std::string base = fmt::format("https://localhost:{}", server_->port());
  const std::vector<std::string> curl = {"curl", "-sS", "--cacert", certificate, "--http1.1", "--noproxy", "*"};
  const auto ask = [&](std::vector<std::string> words) {
    words.insert(words.begin(), curl.begin(), curl.end());
    return test::MustRun(words);
  };
  EXPECT_NE(ask({base + "/echo"}).find("base " + base + "\n"), std::string::npos);
  EXPECT_TRUE(ask({base + "/file"}) == content);
  EXPECT_EQ(ask({"-T", service_.file, base + "/sum"}), SumOf(content));
  EXPECT_EQ(ask({"-T", service_.file, base + "/early/1000"}), "enough after 1000\n");
  EXPECT_EQ(Exchanged(kGet).find("HTTP/"), std::string::npos) << "plain text gets no answer";
}

TEST(Server, ACertificateThatIsNoneIsAnError) {
  test::EchoService service;
  auto server = Server::Listen({.cert_file = "/dev/null"}, service, nullptr);
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(server.error().kind(), ErrorKind::kInvalid);
}

TEST(Server, APortThatIsTakenIsAnError) {
  test::EchoService service;
  auto first = Server::Listen({}, service, nullptr);
  ASSERT_TRUE(first.ok());
  auto second = Server::Listen({.port = first.value()->port()}, service, nullptr);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(Server::Listen({.address = "nowhere"}, service, nullptr).error().kind(), ErrorKind::kInvalid);
}

}  // namespace
}  // namespace platter::http
