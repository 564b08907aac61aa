// An empty database for one test, on the engine that the test runs with: SQLite in a file, or the server that
// databases.py has started beside the test. Gone with the object.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "registry-core/catalog/catalog.h"
#include "registry-core/catalog/connection.h"
#include "tests/support/temp_dir.h"

namespace platter::test {

class Database {
 public:
  Database();
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const registry::DatabaseUrl& url() const noexcept { return url_; }
  registry::Engine engine() const noexcept { return url_.engine; }
  // A session for statements of the test's own.
  std::unique_ptr<registry::Connection> Connect() const;

 private:
  TempDir folder_;  // of SQLite's file
  registry::DatabaseUrl url_;
};

// One statement, which must succeed.
void Execute(registry::Connection& connection, std::string_view statement);

// The running server: "stop", "start", "restart" or "kill". Adds a test failure where that goes wrong.
void ControlServer(std::string_view word);

}  // namespace platter::test
