// Log: lines with a message and fields, as text or as JSON, to standard error or a file.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "formats/core/result.h"
#include "tools/platterd/config/settings.h"

namespace platter::platterd {

// Thread-safe. Nobody hands it a secret: neither a token nor a password, nor a URL that has one.
class Log {
 public:
  enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
  using Field = std::pair<std::string_view, std::string>;

  // kIo where the file cannot be written.
  static Result<std::unique_ptr<Log>> Open(const LogSettings& settings);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Opens the file again, under the name that it has: after logrotate has taken the old one away. As Open; the log
  // stays as it was then.
  Result<> Reopen(const LogSettings& settings);
  void Write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

 private:
  class Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace platter::platterd
