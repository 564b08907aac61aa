// A server that goes away and comes back under load; runs beside databases.py only.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "tests/registry/catalog/catalog_fixture.h"
#include "tests/registry/catalog/load.h"

namespace platter::registry {
namespace {

class ServerTest : public CatalogTest {
 protected:
  void SetUp() override {
    ASSERT_NE(std::getenv("PLATTER_TEST_DATABASE_PORT"), nullptr) << "databases.py mariadb|postgresql COMMAND";
    CatalogTest::SetUp();
  }
  static DatabaseUrl PortUrl() { return DatabaseUrl::Parse(std::getenv("PLATTER_TEST_DATABASE_PORT")).value(); }
};

TEST_F(ServerTest, ARestartUnderLoadIsAnErrorAndThenNone) {
  Load load(*catalog_, 5);
  for (int round = 0; round < 3; ++round) {
    load.AwaitChanges(5);
    test::ControlServer("stop");
    load.AwaitError();
    const auto found = catalog_->List(As("here"));
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().kind(), ErrorKind::kIo);
    EXPECT_EQ(catalog_->Ping().error().kind(), ErrorKind::kIo);
    test::ControlServer("start");
    EXPECT_TRUE(catalog_->Ping().ok());
  }
  load.AwaitChanges(5);
  load.EndAndCheck();
}

TEST_F(ServerTest, ACrashUnderLoadLosesNothingThatWasPromised) {
  Load load(*catalog_, 5);
  for (int round = 0; round < 3; ++round) {
    load.AwaitChanges(10);
    test::ControlServer("kill");
    load.AwaitError();
    test::ControlServer("start");
  }
  load.AwaitChanges(5);
  load.EndAndCheck();
}

// Connections that lay idle meanwhile are replaced before anybody hears of it.
TEST_F(ServerTest, ARestartBetweenCallsIsNotNoticed) {
  const ImageRecord image = Insert(Image("one"));
  {
    Load load(*catalog_, 6);  // several connections
    load.AwaitChanges(2);
  }
  test::ControlServer("restart");
  for (int call = 0; call < 20; ++call) {
    const auto found = catalog_->Find(image.id);
    ASSERT_TRUE(found.ok()) << found.error().Describe();
  }
}

TEST_F(ServerTest, ACatalogIsNotOpenedWithoutItsServer) {
  test::ControlServer("stop");
  const auto opened = Catalog::Open(database_.url());
  const auto state = ReadSchemaState(database_.url());
  const auto migrated = Migrate(database_.url(), {});
  test::ControlServer("start");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(state.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(migrated.error().kind(), ErrorKind::kIo);
  EXPECT_NE(opened.error().Describe().find(database_.url().Describe()), std::string::npos);
}

// Whoever asked may be gone, and nobody tells the server.
TEST_F(ServerTest, AStatementThatTakesTooLongEnds) {
  const bool mariadb = database_.engine() == Engine::kMariaDb;
  const auto slept = [&](unsigned limit, int seconds) {
    const auto connection = Connection::Open(database_.url(), 10, 30, limit).value();
    return connection->Select(Sql(mariadb ? fmt::format("SELECT SLEEP({})", seconds)
                                          : fmt::format("SELECT 1 FROM (SELECT pg_sleep({})) AS slept", seconds)),
                              1);
  };
  const auto start = std::chrono::steady_clock::now();
  const auto ended = slept(1, 60);
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().kind(), ErrorKind::kIo);
  EXPECT_TRUE(slept(0, 2).ok()) << "without a limit";

  const auto connection = database_.Connect();
  const ImageRecord image = Insert(Image("one"));
  ASSERT_TRUE(connection->Begin(Access::kWrite).ok());
  test::Execute(*connection, fmt::format("UPDATE images SET min_disk = 1 WHERE id = '{}'", image.id));
  const auto catalog = Opened({.statement_seconds = 1});
  const auto change = [](ImageRecord&) -> Result<> { return Done{}; };
  EXPECT_EQ(catalog->Change(image.id, change).error().kind(), ErrorKind::kIo);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  ASSERT_TRUE(connection->Commit().ok());
  EXPECT_TRUE(catalog->Change(image.id, change).ok()) << "and the next one is well";
}

// By address, port and password, as a glance-api.conf has it: a password with everything that is special in a URL and
// in a connection's parameters.
TEST_F(ServerTest, ThePortTakesThePasswordAndNoOther) {
  DatabaseUrl url = PortUrl();
  url.database = database_.url().database;
  const auto opened = Catalog::Open(url);
  ASSERT_TRUE(opened.ok()) << opened.error().Describe();
  EXPECT_TRUE(opened.value()->Ping().ok());
  const std::string secret = "wrong-" + url.password;
  url.password = secret;
  const auto refused = Catalog::Open(url);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(refused.error().Describe().find(secret), std::string::npos) << refused.error().Describe();
}

// PostgreSQL's certificate is looked at. MariaDB's would not be, and so the options that promise it are refused.
TEST_F(ServerTest, TlsMeansThatTheServerIsKnown) {
  const std::string plain = std::getenv("PLATTER_TEST_DATABASE_PORT");
  if (database_.engine() == Engine::kMariaDb) {
    const auto url = DatabaseUrl::Parse(plain + "&ssl_ca=/etc/ssl/ca.pem");
    ASSERT_FALSE(url.ok());
    EXPECT_EQ(url.error().found(), "ssl_ca");
    return;
  }
  const std::string folder = std::getenv("PLATTER_TEST_DATABASE_FOLDER");
  const auto with = [&](const std::string& certificate) {
    const auto url = DatabaseUrl::Parse(plain + "?sslmode=verify-full&sslrootcert=" + folder + "/" + certificate);
    return Connection::Open(url.value(), 30);
  };
  auto known = with("server.pem");
  ASSERT_TRUE(known.ok()) << known.error().Describe();
  const Sql encrypted("SELECT CAST(ssl AS INTEGER) FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
  EXPECT_EQ(known.value()->Select(encrypted, 1).value().at(0).at(0), "1");
  const auto stranger = with("stranger.pem");
  ASSERT_FALSE(stranger.ok());
  EXPECT_EQ(stranger.error().kind(), ErrorKind::kIo);
}

}  // namespace
}  // namespace platter::registry
