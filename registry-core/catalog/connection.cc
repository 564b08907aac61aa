#include "registry-core/catalog/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <chrono>
#include <thread>

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

// A server that has gone without a word, cable and all, is noticed after so long.
constexpr unsigned kSilenceSeconds = 60;

std::string ServerParameters(const DatabaseUrl& url, unsigned connect_seconds, unsigned statement_seconds) {
  const bool mariadb = url.engine == Engine::kMariaDb;
  std::vector<std::pair<std::string_view, std::string>> parameters;
  const auto add = [&parameters](std::string_view name, std::string value) {
    if (!value.empty() &&
        std::ranges::find(parameters, name, &decltype(parameters)::value_type::first) == parameters.end())
      parameters.emplace_back(name, std::move(value));
  };
  for (const auto& [name, value] : url.options) {
    if (name != "charset" && name != "client_encoding") add(name, value);
  }
  add("dbname", url.database);
  add("user", url.user);
  add("password", url.password);
  add("connect_timeout", std::to_string(connect_seconds));
  if (url.port) add("port", std::to_string(*url.port));
  if (mariadb) {
    add("host", url.host);
    add("unix_socket", url.socket);
    add("charset", "utf8mb4");
    // The server says nothing while a statement runs.
    if (statement_seconds != 0) add("read_timeout", std::to_string(std::max(kSilenceSeconds, 2 * statement_seconds)));
    add("write_timeout", std::to_string(kSilenceSeconds));
  } else {
    add("host", url.socket.empty() ? url.host : url.socket);
    add("client_encoding", "UTF8");
    add("application_name", "platterd");
    add("keepalives_idle", std::to_string(kSilenceSeconds / 2));
    add("keepalives_interval", "10");
    add("keepalives_count", "3");
    add("tcp_user_timeout", std::to_string(kSilenceSeconds * 1000));
  }
  std::string text;
  for (const auto& [name, value] : parameters)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, Quoted(value));
  return text;
}

// What the server has to say beside its answers, PostgreSQL's library would print. SOCI does not export the type that a
// sanitizer would like to look at.
__attribute__((no_sanitize("vptr"))) void IgnoreNotices(soci::session& session) {
  PQsetNoticeProcessor(
      static_cast<soci::postgresql_session_backend*>(session.get_backend())->conn_,
      [](void* /*context*/, const char* /*message*/) {}, nullptr);
}

// Several that open a new file at once are in each other's way, and SQLite does not wait for this as it does elsewhere.
void KeepLog(soci::session& session, unsigned wait_seconds) {
  constexpr int kBusy = 5;  // SQLITE_BUSY
  constexpr std::chrono::milliseconds kPause{5};
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(wait_seconds);
  for (;;) {
    try {
      session << "PRAGMA journal_mode=WAL";
      return;
    } catch (const soci::sqlite3_soci_error& error) {
      if (error.result() != kBusy || std::chrono::steady_clock::now() >= end) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

// On a node of a Galera cluster: statements see what was committed on any other node.
void WaitForCluster(soci::session& session) {
  std::string name;
  std::string value;
  // Not with `<<`: SOCI does not export the type of what it makes, which a sanitizer would like to look at.
  soci::statement ask(session);
  ask.exchange(soci::into(name));
  ask.exchange(soci::into(value));
  ask.alloc();
  ask.prepare("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", soci::details::st_one_time_query);
  ask.define_and_bind();
  (void)ask.execute(true);
  constexpr int kReadsAndWrites = 1 | 2 | 4;
  if (value == "ON") session << fmt::format("SET SESSION wsrep_sync_wait={}", kReadsAndWrites);
}

std::unique_ptr<soci::session> Connect(const DatabaseUrl& url, unsigned connect_seconds, unsigned wait_seconds,
                                       unsigned statement_seconds) {
  switch (url.engine) {
    case Engine::kSqlite: {
      // FULL: a commit is on the disk when it returns, so that an image once active survives a power cut.
      auto session =
          std::make_unique<soci::session>(soci::sqlite3, fmt::format("db=\"{}\" timeout={}", url.path, wait_seconds));
      KeepLog(*session, wait_seconds);
      *session << "PRAGMA synchronous=FULL";
      *session << "PRAGMA foreign_keys=ON";
      return session;
    }
    case Engine::kMariaDb: {
      auto session =
          std::make_unique<soci::session>(soci::mysql, ServerParameters(url, connect_seconds, statement_seconds));
      *session << "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout=10";
      *session << "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
      *session << fmt::format("SET SESSION max_statement_time={}", statement_seconds);
      WaitForCluster(*session);
      return session;
    }
    case Engine::kPostgreSql: {
      auto session =
          std::make_unique<soci::session>(soci::postgresql, ServerParameters(url, connect_seconds, statement_seconds));
      // A listing's plan depends on what is looked for: one plan for all values would be a scan for some of them.
      *session << "SET plan_cache_mode = force_custom_plan";
      *session << "SET lock_timeout = '10s'";
      *session << fmt::format("SET statement_timeout = '{}s'", statement_seconds);
      IgnoreNotices(*session);
      return session;
    }
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

Sql& Sql::Append(const Sql& other) {
  // Marks are numbered as they come, and begin with the only colons that are outside of a value.
  std::string_view rest = other.text_;
  for (const Value& value : other.values_) {
    const std::size_t mark = rest.find(":p");
    text_ += rest.substr(0, mark);
    Bind(value);
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", mark + 2), rest.size()));
  }
  text_ += rest;
  return *this;
}

std::string_view ForUpdate(Engine engine) noexcept { return engine == Engine::kSqlite ? "" : " FOR UPDATE"; }

// SOCI keeps references to where values come from and go to.
struct Connection::Statement {
  Statement(soci::session& session, const Sql& sql, std::size_t columns)
      : text(sql.text()),
        given(sql.values().size()),
        given_marks(sql.values().size(), soci::i_ok),
        found(columns),
        found_marks(columns, soci::i_null),
        statement(session) {
    for (std::size_t at = 0; at < columns; ++at) statement.exchange(soci::into(found[at], found_marks[at]));
    for (std::size_t at = 0; at < given.size(); ++at) statement.exchange(soci::use(given[at], given_marks[at]));
    statement.alloc();
    statement.prepare(text, soci::details::st_repeatable_query);
    statement.define_and_bind();
  }

  void Give(const std::vector<Value>& values) {
    moved = 0;
    for (std::size_t at = 0; at < given.size(); ++at) {
      given[at] = values[at].value_or("");
      given_marks[at] = values[at] ? soci::i_ok : soci::i_null;
      moved += given[at].size();
    }
  }
  Row Found() {
    Row row(found.size());
    for (std::size_t at = 0; at < found.size(); ++at) {
      if (found_marks[at] == soci::i_null) continue;
      row[at] = found[at];
      moved += found[at].size();
    }
    return row;
  }

  const std::string text;
  std::vector<std::string> given;
  std::vector<soci::indicator> given_marks;
  std::vector<std::string> found;
  std::vector<soci::indicator> found_marks;
  std::size_t moved = 0;  // bytes, in both directions, since it was given its values
  soci::statement statement;
};

Connection::Connection(Engine engine, std::unique_ptr<soci::session> session)
    : engine_(engine), session_(std::move(session)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::Open(const DatabaseUrl& url, unsigned connect_seconds,
                                                     unsigned wait_seconds, unsigned statement_seconds) {
  if (url.engine == Engine::kSqlite && url.path.find('"') != std::string::npos)
    return Error(ErrorKind::kInvalid, "the path of an SQLite database cannot hold a '\"'");
  try {
    return std::unique_ptr<Connection>(
        new Connection(url.engine, Connect(url, connect_seconds, wait_seconds, statement_seconds)));
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

constexpr std::size_t kMostStatements = 100;
constexpr std::size_t kMostKept = 32768;  // bytes of values that a statement may have moved and stay prepared

// The length of the letter that begins here; 0 where none does. RFC 3629, 4: no surrogates, no long forms.
std::size_t LetterLength(std::string_view text) noexcept {
  const auto byte = [&text](std::size_t at) -> unsigned { return static_cast<unsigned char>(text[at]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) return 0;
  for (std::size_t at = 2; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return 0;
  }
  return length;
}

// SQLite would take anything; the others would not.
Result<> CheckValues(const Sql& sql) {
  for (const Value& value : sql.values()) {
    std::string_view rest = value ? std::string_view(*value) : std::string_view();
    while (!rest.empty()) {
      if (rest[0] == '\0') return Error(ErrorKind::kInvalid, "a text with a zero byte, which databases do not take");
      const std::size_t length = LetterLength(rest);
      if (length == 0) return Error(ErrorKind::kInvalid, "a text that is no UTF-8, which databases do not take");
      rest.remove_prefix(length);
    }
  }
  return Done{};
}

}  // namespace

template <class Work>
auto Connection::Running(const Work& work) -> decltype(work()) {
  auto result = Guarded(work);
  // SOCI would not free what a statement that failed holds when it ran again. PostgreSQL does not let it go before the
  // transaction has ended.
  if (!result.ok() && !statements_.empty()) failed_.splice(failed_.end(), statements_, statements_.begin());
  // What a statement has moved stays in it, in SOCI and in the engine's library until it runs again, which may be
  // never.
  if (result.ok() && statements_.front()->moved > kMostKept) statements_.pop_front();
  return result;
}

Connection::Statement& Connection::Prepared(const Sql& sql, std::size_t columns) {
  auto known = std::ranges::find_if(
      statements_, [&](const auto& one) { return one->found.size() == columns && one->text == sql.text(); });
  if (known == statements_.end()) {
    if (statements_.size() == kMostStatements) statements_.pop_back();
    statements_.push_front(std::make_unique<Statement>(*session_, sql, columns));
  } else {
    statements_.splice(statements_.begin(), statements_, known);
  }
  statements_.front()->Give(sql.values());
  return *statements_.front();
}

Result<std::vector<Row>> Connection::Select(const Sql& sql, std::size_t columns) {
  PLATTER_CHECK(CheckValues(sql));
  return Running([&]() -> Result<std::vector<Row>> {
    Statement& prepared = Prepared(sql, columns);
    std::vector<Row> rows;
    for (bool more = prepared.statement.execute(true); more; more = prepared.statement.fetch())
      rows.push_back(prepared.Found());
    return rows;
  });
}

Result<std::vector<std::string>> Connection::Explain(const Sql& selection) {
  // SQLite: id, parent, unused, detail.
  const std::size_t columns = engine_ == Engine::kSqlite ? 4 : engine_ == Engine::kMariaDb ? 10 : 1;
  const Sql sql = selection.Behind(engine_ == Engine::kSqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ");
  std::vector<std::string> lines;
  for (const Row& row : PLATTER_TRY(Select(sql, columns))) {
    std::string line;
    for (std::size_t at = engine_ == Engine::kSqlite ? 3 : 0; at < columns; ++at)
      line += (line.empty() ? "" : " | ") + row[at].value_or("-");
    lines.push_back(std::move(line));
  }
  return lines;
}

Result<std::uint64_t> Connection::Run(const Sql& sql) {
  PLATTER_CHECK(CheckValues(sql));
  return Running([&]() -> Result<std::uint64_t> {
    Statement& prepared = Prepared(sql, 0);
    prepared.statement.execute(true);
    return static_cast<std::uint64_t>(std::max<long long>(prepared.statement.get_affected_rows(), 0));
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
        // A change locks what it changes, and not the gaps beside it, in which the parts of other images belong.
        if (write) *session_ << "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";
        *session_ << (write ? "START TRANSACTION READ WRITE" : "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
        break;
      case Engine::kPostgreSql:
        *session_ << (write ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
                            : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
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
           failed_.clear();
           return Done{};
         })
      .ok();
}

}  // namespace platter::registry
