// Connection: one session with a database, through SOCI, whose exceptions end here. Everything is exchanged as text,
// which all three engines convert to a column's type alike.
//
// Thread rule: one thread at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry-core/catalog/catalog.h"

namespace soci {
class session;
}

namespace platter::registry {

using Value = std::optional<std::string>;  // NULL where empty
using Row = std::vector<Value>;

// A statement as it grows: text, and the values that stand for its marks.
class Sql {
 public:
  Sql() = default;
  explicit Sql(std::string_view text) : text_(text) {}
  Sql& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  Sql& Bind(Value value);
  Sql& Bind(const std::string& value) { return Bind(Value(value)); }
  Sql& Bind(std::string_view value) { return Bind(Value(std::string(value))); }
  Sql& Bind(std::uint64_t value) { return Bind(Value(std::to_string(value))); }
  Sql& Bind(std::int64_t value) { return Bind(Value(std::to_string(value))); }
  // "(?, ?, ?)".
  Sql& BindList(const std::vector<std::string>& values);

  // `other`, with its values, at the end.
  Sql& Append(const Sql& other);
  // The same statement with `words` before it.
  Sql Behind(std::string_view words) const {
    Sql sql = *this;
    sql.text_.insert(0, words);
    return sql;
  }
  const std::string& text() const noexcept { return text_; }
  const std::vector<Value>& values() const noexcept { return values_; }

 private:
  std::string text_;
  std::vector<Value> values_;
};

enum class Access : std::uint8_t { kRead, kWrite };

class Connection {
 public:
  // `wait_seconds`: how long another program may lock the file, SQLite only. `statement_seconds`: when a server ends a
  // statement by itself, which is then kIo, even where nobody waits for it any more; 0: never.
  static Result<std::unique_ptr<Connection>> Open(const DatabaseUrl& url, unsigned connect_seconds,
                                                  unsigned wait_seconds = 30, unsigned statement_seconds = 0);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Engine engine() const noexcept { return engine_; }
  // The rows of a SELECT with that many columns.
  Result<std::vector<Row>> Select(const Sql& sql, std::size_t columns);
  // What the database would do for it, as its EXPLAIN says, a line each. MariaDB's are id | select_type | table | type
  // | possible_keys | key | key_len | ref | rows | Extra.
  Result<std::vector<std::string>> Explain(const Sql& selection);
  // The number of rows that were changed.
  Result<std::uint64_t> Run(const Sql& sql);
  Result<> Begin(Access access);
  Result<> Commit();
  // Whether the connection is still good for something.
  bool Rollback();
  // Whether the last error was one that goes away when the transaction is tried again: a deadlock, a serialization.
  bool passing() const noexcept { return passing_; }
  // Statements that are kept for the next time they run: a bounded number, each with little in it.
  std::size_t prepared() const noexcept { return statements_.size(); }

 private:
  struct Statement;
  Connection(Engine engine, std::unique_ptr<soci::session> session);
  template <class Work>
  auto Guarded(const Work& work) -> decltype(work());
  // Guarded, with a statement, which is not used again where it failed, or has much in it.
  template <class Work>
  auto Running(const Work& work) -> decltype(work());
  // The statement, compiled, with its values in place.
  Statement& Prepared(const Sql& sql, std::size_t columns);
  Engine engine_;
  bool passing_ = false;
  std::unique_ptr<soci::session> session_;
  std::list<std::unique_ptr<Statement>> statements_;  // a bounded number; the one used last comes first
  std::list<std::unique_ptr<Statement>> failed_;      // not to be used again
};

// " FOR UPDATE" where the engine locks rows; SQLite locks the whole database at the beginning of a change.
std::string_view ForUpdate(Engine engine) noexcept;

}  // namespace platter::registry
