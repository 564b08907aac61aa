#include <gtest/gtest.h>

#include "registry-core/catalog/catalog.h"

namespace platter::registry {
namespace {

DatabaseUrl Parsed(std::string_view text) {
  auto url = DatabaseUrl::Parse(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.error().Describe();
  return url.ok() ? std::move(url).value() : DatabaseUrl{};
}

// As they stand in the glance-api.conf of installed clouds.
TEST(DatabaseUrlTest, WhatGlanceTakesIsUnderstood) {
  EXPECT_EQ(Parsed("sqlite:////var/lib/glance/glance.sqlite").path, "/var/lib/glance/glance.sqlite");
  EXPECT_EQ(Parsed("sqlite:///glance.sqlite").path, "glance.sqlite");
  EXPECT_EQ(Parsed("sqlite:////a%20b/c").path, "/a b/c");

  const DatabaseUrl classic = Parsed("mysql+pymysql://glance:GLANCE_DBPASS@controller/glance");
  EXPECT_EQ(classic.engine, Engine::kMariaDb);
  EXPECT_EQ(classic.user, "glance");
  EXPECT_EQ(classic.password, "GLANCE_DBPASS");
  EXPECT_EQ(classic.host, "controller");
  EXPECT_EQ(classic.database, "glance");
  EXPECT_FALSE(classic.port);
  EXPECT_EQ(Parsed("mysql://a:b@c:3307/d?charset=utf8").port, 3307);
  EXPECT_EQ(Parsed("mariadb+mysqldb://a@c/d?unix_socket=/run/mysqld/mysqld.sock").socket, "/run/mysqld/mysqld.sock");
  const DatabaseUrl odd = Parsed("mysql+pymysql://u%40x:p%3A%2F%25w@[::1]:1/d");
  EXPECT_EQ(odd.user, "u@x");
  EXPECT_EQ(odd.password, "p:/%w");
  EXPECT_EQ(odd.host, "::1");
  EXPECT_EQ(odd.port, 1);
  // A password whose '@' nobody has escaped, as SQLAlchemy reads it.
  EXPECT_EQ(Parsed("mysql://u:p@ss@h/d").password, "p@ss");

  const DatabaseUrl postgresql = Parsed("postgresql+psycopg2://u:p@h/d?sslmode=verify-full&sslrootcert=/ca.pem");
  EXPECT_EQ(postgresql.engine, Engine::kPostgreSql);
  EXPECT_EQ(postgresql.options.size(), 2U);
  EXPECT_EQ(Parsed("postgres://u@/d?host=/run/postgresql").socket, "/run/postgresql");
}

TEST(DatabaseUrlTest, WhatIsWrongIsNamedWithoutThePassword) {
  for (const char* text : {"",
                           "glance",
                           "oracle://secret@h/d",
                           "mysql://u:secret@h",
                           "mysql://u:secret@h/",
                           "mysql://u:secret@h:0/d",
                           "mysql://u:secret@h:65536/d",
                           "mysql://u:secret@h:x/d",
                           "mysql://u:secret@[::1/d",
                           "mysql://u:secret@[::1]x/d",
                           "mysql://u:secret%4@h/d",
                           "mysql://u:secret%zz@h/d",
                           "mysql://u:secret%00@h/d",
                           "mysql://u:secret@h/d?charset",
                           "mysql://u:secret@h/d?charset=latin1",
                           "mysql://u:secret@h/d?ssl_ca=/ca.pem",
                           "mysql://u:secret@h/d?=x",
                           "mysql://u:secret@h/d?connect_timeout=0",
                           "mysql://u:secret@h/d?read_timeout=1e3",
                           "postgresql://u:secret@h/d?unix_socket=/x",
                           "postgresql://u:secret@h/d?client_encoding=latin1",
                           "sqlite://",
                           "sqlite:///",
                           "sqlite://x",
                           "sqlite:////x?mode=ro"}) {
    const auto url = DatabaseUrl::Parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().kind(), ErrorKind::kInvalid) << text;
    EXPECT_EQ(url.error().Describe().find("secret"), std::string::npos) << url.error().Describe();
  }
  EXPECT_FALSE(DatabaseUrl::Parse("sqlite:///" + std::string(5000, 'x')).ok());
}

TEST(DatabaseUrlTest, ADescriptionHasNoPassword) {
  EXPECT_EQ(Parsed("mysql://u:secret@h:1/d").Describe(), "MariaDB: d at h:1");
  EXPECT_EQ(Parsed("postgresql://u:secret@/d?host=/run/p").Describe(), "PostgreSQL: d at /run/p");
  EXPECT_EQ(Parsed("sqlite:////x").Describe(), "SQLite: /x");
}

}  // namespace
}  // namespace platter::registry
