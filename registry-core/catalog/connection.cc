#include "registry-core/catalog/connection.h"

#include <fmt/format.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <deque>

namespace platter::registry {
namespace {

// A connection string's value, as libpq and SOCI's own readers take it.
std::string Quoted(std::string_view value) {
  std::string quoted = "'";
  for (const char byte : value) {
    if (byte == '\'' || byte == '\\') quoted += '\\';
    quoted += byte;
  }
  return quoted + "'";
}

std::string ServerParameters(const DatabaseUrl& url, unsigned connect_seconds) {
  const bool mariadb = url.engine == Engine::kMariaDb;
  std::string text = fmt::format("dbname={} connect_timeout={}", Quoted(url.database), connect_seconds);
  const std::string& host = !mariadb && !url.socket.empty() ? url.socket : url.host;
  if (!host.empty()) text += " host=" + Quoted(host);
  if (url.port) text += fmt::format(" port={}", *url.port);
  if (!url.user.empty()) text += " user=" + Quoted(url.user);
  if (!url.password.empty()) text += " password=" + Quoted(url.password);
  if (mariadb && !url.socket.empty()) text += " unix_socket=" + Quoted(url.socket);
  text += mariadb ? " charset=utf8mb4" : " client_encoding=UTF8 application_name=platterd";
  return text;
}

std::unique_ptr<soci::session> Connect(const DatabaseUrl& url, unsigned connect_seconds) {
  switch (url.engine) {
    case Engine::kSqlite: {
      // FULL: a commit is on the disk when it returns, so that an image once active survives a power cut.
      auto session = std::make_unique<soci::session>(soci::sqlite3, fmt::format("db=\"{}\" timeout=30", url.path));
      *session << "PRAGMA journal_mode=WAL";
      *session << "PRAGMA synchronous=FULL";
      *session << "PRAGMA foreign_keys=ON";
      return session;
    }
    case Engine::kMariaDb: {
      auto session = std::make_unique<soci::session>(soci::mysql, ServerParameters(url, connect_seconds));
      *session << "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";
      return session;
    }
    case Engine::kPostgreSql:
      return std::make_unique<soci::session>(soci::postgresql, ServerParameters(url, connect_seconds));
  }
  return nullptr;
}

bool IsPassing(const soci::soci_error& error) {
  if (const auto* mysql = dynamic_cast<const soci::mysql_soci_error*>(&error))
    return mysql->err_num_ == 1213 || mysql->err_num_ == 1020;  // a deadlock; a record that changed since it was read
  if (const auto* postgresql = dynamic_cast<const soci::postgresql_soci_error*>(&error))
    return postgresql->sqlstate() == "40P01" || postgresql->sqlstate() == "40001";
  return false;
}

// SOCI's messages end with the statement, which may hold what a client sent.
std::string Reason(const soci::soci_error& error) { return "the database failed: " + error.get_error_message(); }

}  // namespace

Sql& Sql::Bind(Value value) {
  values_.push_back(std::move(value));
  text_ += fmt::format(":p{}", values_.size());
  return *this;
}

Sql& Sql::BindList(const std::vector<std::string>& values) {
  text_ += '(';
  for (std::size_t at = 0; at < values.size(); ++at) {
    if (at != 0) text_ += ", ";
    Bind(std::string_view(values[at]));
  }
  text_ += ')';
  return *this;
}

std::string_view ForUpdate(Engine engine) noexcept { return engine == Engine::kSqlite ? "" : " FOR UPDATE"; }

Connection::Connection(Engine engine, std::unique_ptr<soci::session> session)
    : engine_(engine), session_(std::move(session)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::Open(const DatabaseUrl& url, unsigned connect_seconds) {
  if (url.engine == Engine::kSqlite && url.path.find('"') != std::string::npos)
    return Error(ErrorKind::kInvalid, "the path of an SQLite database cannot hold a '\"'");
  try {
    return std::unique_ptr<Connection>(new Connection(url.engine, Connect(url, connect_seconds)));
  } catch (const soci::soci_error& error) {
    return Error(ErrorKind::kIo,
                 fmt::format("cannot open the database ({}): {}", url.Describe(), error.get_error_message()));
  } catch (const std::exception& error) {
    return Error(ErrorKind::kIo, fmt::format("cannot open the database ({}): {}", url.Describe(), error.what()));
  }
}

template <class Work>
auto Connection::Guarded(const Work& work) -> decltype(work()) {
  passing_ = false;
  try {
    return work();
  } catch (const soci::soci_error& error) {
    passing_ = IsPassing(error);
    return Error(ErrorKind::kIo, Reason(error));
  } catch (const std::exception& error) {
    return Error(ErrorKind::kIo, fmt::format("the database failed: {}", error.what()));
  }
}

namespace {

Result<> CheckValues(const Sql& sql) {
  for (const Value& value : sql.values()) {
    if (value && value->find('\0') != std::string::npos)
      return Error(ErrorKind::kInvalid, "a text with a zero byte, which databases do not take");
  }
  return Done{};
}

// What a statement reads its parameters from: SOCI keeps references.
struct Parameters {
  explicit Parameters(const Sql& sql) {
    for (const Value& value : sql.values()) {
      texts.push_back(value.value_or(""));
      indicators.push_back(value ? soci::i_ok : soci::i_null);
    }
  }
  void Use(soci::statement& statement) {
    for (std::size_t at = 0; at < texts.size(); ++at) statement.exchange(soci::use(texts[at], indicators[at]));
  }
  std::deque<std::string> texts;
  std::deque<soci::indicator> indicators;
};

}  // namespace

Result<std::vector<Row>> Connection::Select(const Sql& sql, std::size_t columns) {
  PLATTER_CHECK(CheckValues(sql));
  return Guarded([&]() -> Result<std::vector<Row>> {
    Parameters parameters(sql);
    std::deque<std::string> texts(columns);
    std::deque<soci::indicator> indicators(columns, soci::i_null);
    soci::statement statement(*session_);
    for (std::size_t at = 0; at < columns; ++at) statement.exchange(soci::into(texts[at], indicators[at]));
    parameters.Use(statement);
    statement.alloc();
    statement.prepare(sql.text(), soci::details::st_one_time_query);
    statement.define_and_bind();
    std::vector<Row> rows;
    for (bool more = statement.execute(true); more; more = statement.fetch()) {
      Row row(columns);
      for (std::size_t at = 0; at < columns; ++at) {
        if (indicators[at] != soci::i_null) row[at] = texts[at];
      }
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

Result<std::uint64_t> Connection::Run(const Sql& sql) {
  PLATTER_CHECK(CheckValues(sql));
  return Guarded([&]() -> Result<std::uint64_t> {
    Parameters parameters(sql);
    soci::statement statement(*session_);
    parameters.Use(statement);
    statement.alloc();
    statement.prepare(sql.text(), soci::details::st_one_time_query);
    statement.define_and_bind();
    statement.execute(true);
    return static_cast<std::uint64_t>(std::max<long long>(statement.get_affected_rows(), 0));
  });
}

Result<> Connection::Begin(Access access) {
  return Guarded([&]() -> Result<> {
    const bool write = access == Access::kWrite;
    switch (engine_) {
      case Engine::kSqlite:
        *session_ << (write ? "BEGIN IMMEDIATE" : "BEGIN");
        break;
      case Engine::kMariaDb:
        *session_ << (write ? "START TRANSACTION" : "START TRANSACTION WITH CONSISTENT SNAPSHOT");
        break;
      case Engine::kPostgreSql:
        *session_ << (write ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        break;
    }
    return Done{};
  });
}

Result<> Connection::Commit() {
  return Guarded([&]() -> Result<> {
    *session_ << "COMMIT";
    return Done{};
  });
}

bool Connection::Rollback() {
  return Guarded([&]() -> Result<> {
           *session_ << "ROLLBACK";
           return Done{};
         })
      .ok();
}

}  // namespace platter::registry
