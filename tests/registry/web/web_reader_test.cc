#include "registry-core/web/web_reader.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/registry/web/network.h"
#include "tests/registry/web/web_server.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"

namespace platter::registry {
namespace {

using namespace std::chrono_literals;
using test::Network;
using test::SameBytes;
using Bytes = std::vector<std::byte>;

Bytes Noise(std::size_t size) {
  Bytes bytes(size);
  test::GuestDisk{size, {{0, size, test::GuestRange::Kind::kNoise, 1}}}.Fill(0, bytes);
  return bytes;
}

constexpr std::size_t kSize = 300'001;

class WebReaderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    network_ = &Network::Enter();
    server_ = std::make_unique<test::WebServer>();
    server_->Put("disk", Noise(kSize));
    server_->Put("empty", {});
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override { Hosts(Network::kPublic); }
  // What example.org means.
  static void Hosts(const std::string& address) {
    network_->SetHosts("127.0.0.1 localhost intern.example\n" + address + " example.org example.org.\n" +
                       Network::kOtherPublic + " mirror.example.org\n");
  }

  // To its end, in pieces of random length.
  static Result<Bytes> Rest(WebReader& reader) {
    Bytes all;
    test::Random random(all.size() + 7);
    for (;;) {
      Bytes piece(1 + random.Below(random.Below(2) != 0 ? 200'000 : 100));
      const std::size_t got = PLATTER_TRY(reader.ReadSome(piece));
      if (got == 0) return all;
      all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
    }
  }
  static Result<Bytes> Fetch(WebReader& reader, const std::string& url, WebRange range = {}) {
    PLATTER_CHECK(reader.Open(url, range));
    return Rest(reader);
  }
  static Result<Bytes> Fetch(const std::string& url, WebOptions options = {}) {
    WebReader reader(std::move(options));
    return Fetch(reader, url);
  }
  static std::size_t SizeOf(const Result<Bytes>& result) {
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().Describe());
    return result.ok() ? result.value().size() : SIZE_MAX;
  }
  static std::string Text(const Bytes& bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  // The error's kind is that, and its text has `words` in it.
  static void ExpectError(const Result<Bytes>& result, ErrorKind kind, const std::string& words) {
    ASSERT_FALSE(result.ok()) << words;
    EXPECT_EQ(result.error().kind(), kind) << result.error().Describe();
    EXPECT_NE(result.error().Describe().find(words), std::string::npos) << result.error().Describe();
  }
  // What was connected to meanwhile.
  class Watch {
   public:
    Watch() : before_(server_->Connections().size()) {}
    std::vector<std::string> Connections() const {
      std::vector<std::string> all = server_->Connections();
      all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before_));
      return all;
    }

   private:
    const std::size_t before_;
  };

  static inline Network* network_ = nullptr;
  static inline std::unique_ptr<test::WebServer> server_;
};

TEST_F(WebReaderTest, AnObjectComesWhole) {
  for (const std::string way : {"file", "plain", "chunked", "until-close"}) {
    WebReader reader{{}};
    const auto opened = reader.Open("http://example.org/" + way + "/disk");
    ASSERT_TRUE(opened.ok()) << opened.error().Describe();
    const bool has_size = way == "file" || way == "plain";
    EXPECT_EQ(reader.size(), has_size ? std::optional<std::uint64_t>(kSize) : std::nullopt) << way;
    EXPECT_EQ(reader.ranged(), way == "file");
    EXPECT_EQ(reader.version(), way == "file" ? "\"1\"" : "");
    const auto all = Rest(reader);
    ASSERT_TRUE(all.ok()) << way << ": " << all.error().Describe();
    EXPECT_TRUE(SameBytes(all.value(), Noise(kSize))) << way;
    Bytes more(10);
    EXPECT_EQ(reader.ReadSome(more).value(), 0U) << "the end stays the end";
  }
  EXPECT_TRUE(Fetch("http://example.org/file/empty").value().empty());
  EXPECT_TRUE(Fetch("http://example.org/chunked/empty").value().empty());
}

TEST_F(WebReaderTest, RangesComeOverOneConnection) {
  const Bytes disk = Noise(kSize);
  WebReader reader{{}};
  const Watch watch;
  test::Random random(20261129);
  for (int round = 0; round < 50; ++round) {
    WebRange range{random.Below(kSize), std::nullopt};
    if (random.Below(3) != 0) range.length = 1 + random.Below(kSize);
    const auto got = Fetch(reader, "http://example.org/file/disk", range);
    ASSERT_TRUE(got.ok()) << got.error().Describe();
    const std::size_t length = std::min<std::size_t>(range.length.value_or(kSize), kSize - range.offset);
    EXPECT_TRUE(SameBytes(got.value(), std::span(disk).subspan(range.offset, length)));
    EXPECT_EQ(reader.size(), kSize);
    EXPECT_TRUE(reader.ranged());
  }
  EXPECT_EQ(watch.Connections().size(), 1U);
}

TEST_F(WebReaderTest, RangesThatAreNoneOfIt) {
  WebReader reader{{}};
  ExpectError(Fetch(reader, "http://example.org/file/disk", {kSize, 1}), ErrorKind::kOutOfRange, "behind");
  ExpectError(Fetch(reader, "http://example.org/plain/disk", {1, 1}), ErrorKind::kUnsupported, "ranges");
  ExpectError(Fetch(reader, "http://example.org/other-range/disk", {5, 10}), ErrorKind::kIo, "another range");
  EXPECT_EQ(SizeOf(Fetch(reader, "http://example.org/plain/disk", {0, 10})), 10U) << "the beginning of all";
  EXPECT_FALSE(reader.ranged());
  EXPECT_EQ(reader.size(), kSize);
  EXPECT_EQ(SizeOf(Fetch(reader, "http://example.org/file/empty", {0, 1})), 0U);
  EXPECT_EQ(reader.size(), 0U);
}

TEST_F(WebReaderTest, WhatIsBrokenIsAnError) {
  ExpectError(Fetch("http://example.org/cut/disk"), ErrorKind::kIo, "before the announced length");
  ExpectError(Fetch("http://example.org/cut/empty"), ErrorKind::kIo, "before the announced length");
  ExpectError(Fetch("http://example.org/cut-chunks/disk"), ErrorKind::kIo, "");
  ExpectError(Fetch("http://example.org/file/none"), ErrorKind::kIo, "");
  ExpectError(Fetch("http://example.org/status/404"), ErrorKind::kNotFound, "404");
  ExpectError(Fetch("http://example.org/status/410"), ErrorKind::kNotFound, "410");
  ExpectError(Fetch("http://example.org/garbage"), ErrorKind::kIo, "");
  ExpectError(Fetch("http://example.org/old"), ErrorKind::kIo, "");
  for (const std::string status : {"204", "206", "300", "304", "401", "403", "407", "416", "500", "503"}) {
    WebReader reader{{}};
    const auto opened = reader.Open("http://example.org/status/" + status);
    EXPECT_FALSE(opened.ok()) << status;
    Bytes piece(10);
    EXPECT_FALSE(reader.ReadSome(piece).ok()) << "what such an answer says is no object";
  }
  ExpectError(Fetch("http://mirror.example.org:443/file/disk"), ErrorKind::kIo, "");
  EXPECT_EQ(SizeOf(Fetch("http://example.org/long/disk")), kSize - 100) << "what is behind the end is not read";
}

TEST_F(WebReaderTest, WhoIsNotThere) {
  ExpectError(Fetch("http://nowhere.example/"), ErrorKind::kIo, "leads nowhere");
  WebOptions options;
  options.rules.allowed_ports = {81};
  ExpectError(Fetch("http://example.org:81/", options), ErrorKind::kIo, "takes no connection");
  Hosts("93.184.216.35");  // no route to it
  ExpectError(Fetch("http://example.org/"), ErrorKind::kIo, "takes no connection");
}

TEST_F(WebReaderTest, ServersWithoutAnEnd) {
  WebOptions options;
  options.patience = 500ms;
  options.least_bytes = 1000;
  for (const std::string path : {"silent", "drip", "drip-head"}) {
    const auto begun = std::chrono::steady_clock::now();
    ExpectError(Fetch("http://example.org/" + path, options), ErrorKind::kIo, "bytes in");
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 500ms);
  }
  for (const std::string path : {"endless-head", "endless-continue"}) {
    ExpectError(Fetch("http://example.org/" + path), ErrorKind::kIo, "header");
  }
  // Without an end, but no slower than it must be.
  WebReader reader{{}};
  ASSERT_TRUE(reader.Open("http://example.org/endless").ok());
  Bytes piece(1 << 20);
  for (std::uint64_t got = 0; got < (64 << 20);) {
    const auto read = reader.ReadSome(piece);
    ASSERT_TRUE(read.ok()) << read.error().Describe();
    got += read.value();
  }
}

TEST_F(WebReaderTest, WhatTheCallerTakesForItselfIsNoStall) {
  WebOptions options;
  options.patience = 2s;
  options.least_bytes = 1;
  WebReader reader(options);
  ASSERT_TRUE(reader.Open("http://example.org/plain/disk").ok());
  std::this_thread::sleep_for(2500ms);
  const auto all = Rest(reader);
  ASSERT_TRUE(all.ok()) << all.error().Describe();
  EXPECT_TRUE(SameBytes(all.value(), Noise(kSize)));
}

TEST_F(WebReaderTest, CancelEndsWhatRuns) {
  for (const std::string path : {"silent", "endless", "drip"}) {
    WebReader reader{{}};
    std::thread other([&reader] {
      std::this_thread::sleep_for(100ms);
      reader.Cancel();
    });
    Bytes piece(100);
    auto result = reader.Open("http://example.org/" + path);
    while (result.ok()) {
      auto got = reader.ReadSome(piece);
      if (!got.ok()) result = std::move(got).error();
    }
    other.join();
    EXPECT_EQ(result.error().kind(), ErrorKind::kCancelled) << result.error().Describe();
    EXPECT_EQ(reader.Open("http://example.org/file/disk").error().kind(), ErrorKind::kCancelled) << "for good";
  }
}

TEST_F(WebReaderTest, WhoeverWaitsAsksWhetherToGoOn) {
  int asked = 0;
  WebOptions options;
  options.cancelled = [&asked] { return ++asked > 2; };
  ExpectError(Fetch("http://example.org/silent", options), ErrorKind::kCancelled, "cancelled");
  EXPECT_EQ(asked, 3);
}

TEST_F(WebReaderTest, NamesAreJudgedByWhatTheyTurnOutToBe) {
  for (const std::string address : {"127.0.0.1", Network::kPrivate, Network::kMetadata, "0.0.0.0"}) {
    Hosts(address);
    const Watch watch;
    ExpectError(Fetch("http://example.org/file/disk"), ErrorKind::kDenied, "no public address");
    EXPECT_TRUE(watch.Connections().empty()) << address;
  }
  ExpectError(Fetch("http://intern.example/file/disk"), ErrorKind::kDenied, "no public address");
  WebOptions options;
  options.rules.allowed_hosts = {"intern.example", "example.org", Network::kPrivate};
  EXPECT_EQ(SizeOf(Fetch("http://intern.example/file/disk", options)), kSize);
  EXPECT_EQ(SizeOf(Fetch("http://10.1.2.3/file/disk", options)), kSize);
}

TEST_F(WebReaderTest, OfSeveralAddressesOnlyPublicOnesAreAsked) {
  network_->SetHosts(std::string("10.1.2.3 example.org\n127.0.0.1 example.org\n") + Network::kPublic +
                     " example.org\n");
  const Watch watch;
  EXPECT_EQ(SizeOf(Fetch("http://example.org/file/disk")), kSize);
  EXPECT_EQ(watch.Connections(), std::vector<std::string>{std::string(Network::kPublic) + ":80"});
}

// A name that is public while it is judged, and something else a moment later.
TEST_F(WebReaderTest, ANameThatIsReboundLeadsNowhereInside) {
  WebReader reader{{}};
  ASSERT_TRUE(Fetch(reader, "http://example.org/file/disk").ok());
  ASSERT_TRUE(CheckUrl({}, "http://example.org/file/disk").ok());
  Hosts("127.0.0.1");
  const Watch watch;
  WebReader another{{}};
  ExpectError(Fetch(another, "http://example.org/file/disk"), ErrorKind::kDenied, "no public address");
  EXPECT_TRUE(Fetch(reader, "http://example.org/file/disk").ok())
      << "its connection is still the one to the public host";
  EXPECT_TRUE(watch.Connections().empty());
}

TEST_F(WebReaderTest, RedirectsAreFollowedWhereTheyMayLead) {
  for (const std::string code : {"301", "302", "303", "307", "308"}) {
    for (const std::string to : {"/file/disk", "http://mirror.example.org/file/disk", "//mirror.example.org/file/disk",
                                 "../../file/disk", "https://mirror.example.org/file/disk"}) {
      WebOptions options;
      options.ca_file = server_->certificate();
      const auto got = Fetch("http://example.org/to/" + code + "?" + to, options);
      ASSERT_TRUE(got.ok()) << to << ": " << got.error().Describe();
      EXPECT_TRUE(SameBytes(got.value(), Noise(kSize)));
    }
  }
  ExpectError(Fetch("http://example.org/loop"), ErrorKind::kIo, "too often");
  ExpectError(Fetch("http://example.org/status/302"), ErrorKind::kIo, "nowhere");
  WebReader reader{{}};
  EXPECT_EQ(SizeOf(Fetch(reader, "http://example.org/to/302?/file/disk", {100, 50})), 50U);
}

TEST_F(WebReaderTest, RedirectsLeadNowhereInside) {
  for (const std::string to : {"http://127.0.0.1/file/disk",
                               "http://localhost/file/disk",
                               "http://169.254.169.254/latest/meta-data/",
                               "//169.254.169.254/",
                               "http://10.1.2.3/file/disk",
                               "http://intern.example/file/disk",
                               "http://[::1]/file/disk",
                               "http://[::ffff:7f00:1]/file/disk",
                               "http://2130706433/file/disk",
                               "http://127.1/file/disk",
                               "http://0x7f.1/file/disk",
                               "http://example.org@127.0.0.1/file/disk",
                               "http://example.org:8080/file/disk",
                               "file:///etc/passwd",
                               "gopher://127.0.0.1:80/_GET",
                               "ftp://example.org/",
                               "dict://127.0.0.1:80/",
                               "http://127.0.0.1%5C@example.org/",
                               "http://127.0.0.1%09.example.org/",
                               "http:/127.0.0.1/file/disk",
                               "http:///127.0.0.1/file/disk"}) {
    const Watch watch;
    const auto got = Fetch("http://example.org/to/302?" + to);
    ASSERT_FALSE(got.ok()) << to;
    EXPECT_TRUE(got.error().kind() == ErrorKind::kDenied || got.error().Describe().find("nowhere") != std::string::npos)
        << to << ": " << got.error().Describe();
    EXPECT_EQ(watch.Connections().size(), 1U) << to << ": the first one alone";
  }
}

TEST_F(WebReaderTest, AnAllowedHostVouchesForNobodyElse) {
  WebOptions options;
  options.rules.allowed_hosts = {"10.1.2.3"};
  EXPECT_EQ(SizeOf(Fetch("http://10.1.2.3/to/302?/file/disk", options)), kSize);
  ExpectError(Fetch("http://10.1.2.3/to/302?http://169.254.169.254/", options), ErrorKind::kDenied,
              "host is not allowed");
  ExpectError(Fetch("http://10.1.2.3/to/302?http://example.org/", options), ErrorKind::kDenied, "following a redirect");
}

TEST_F(WebReaderTest, CertificatesAreChecked) {
  WebOptions options;
  ExpectError(Fetch("https://example.org/file/disk", options), ErrorKind::kIo, "certificate");
  options.ca_file = server_->certificate();
  EXPECT_EQ(SizeOf(Fetch("https://example.org/file/disk", options)), kSize);
  EXPECT_EQ(SizeOf(Fetch("https://example.org./file/disk", options)), kSize);
  ExpectError(Fetch("https://93.184.216.34/file/disk", options), ErrorKind::kIo, "certificate");
  ExpectError(Fetch("https://example.org/to/302?http://example.org/file/disk", options), ErrorKind::kDenied,
              "from https to http");
  options.ca_file.clear();
  options.insecure = true;
  EXPECT_EQ(SizeOf(Fetch("https://93.184.216.34/file/disk", options)), kSize);
}

TEST_F(WebReaderTest, NothingIsSentAlongThatIsNotTheRequest) {
  for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"}) {
    setenv(name, "http://127.0.0.1:8080", 1);
  }
  const test::TempDir home;
  std::ofstream(home.File(".netrc")) << "machine example.org login us password secret\n";
  setenv("HOME", home.path().c_str(), 1);
  WebReader reader{{}};
  for (int round = 0; round < 2; ++round) {  // the server set a cookie in the first
    const std::string echo = Text(Fetch(reader, "http://example.org/to/302?/echo?a=b").value());
    EXPECT_EQ(echo,
              R"({"path": "/echo?a=b", "headers": {"host": "example.org", "user-agent": "platterd", "accept": "*/*", )"
              R"("accept-encoding": "identity"}})");
  }
  for (const char* name : {"http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"}) unsetenv(name);
}

}  // namespace
}  // namespace platter::registry
