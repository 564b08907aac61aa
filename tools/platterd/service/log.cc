#include "tools/platterd/service/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <mutex>

#include "tools/platterd/http/text.h"

namespace platter::platterd {
namespace {

// As a JSON text has it between its quotes, with U+FFFD for bytes that are no UTF-8. Terminals take some of the control
// characters behind ASCII for orders, too.
std::string Escaped(std::string_view text) {
  constexpr char32_t kReplacement = 0xfffd;
  std::string out;
  while (!text.empty()) {
    const std::string_view rest = text;
    const char32_t code = http::TakeCodePoint(text);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(code));
    } else if (code == kReplacement) {
      out += "\xef\xbf\xbd";
    } else {
      if (code == '"' || code == '\\') out += '\\';
      out += rest.substr(0, rest.size() - text.size());
    }
  }
  return out;
}

std::string TextLine(std::string_view message, std::initializer_list<Log::Field> fields) {
  std::string line = Escaped(message);
  for (const auto& [name, value] : fields) {
    const std::string escaped = Escaped(value);
    const bool plain = !escaped.empty() && escaped == value && value.find_first_of(" =") == std::string::npos;
    line += fmt::format(fmt::runtime(plain ? " {}={}" : " {}=\"{}\""), name, escaped);
  }
  return line;
}

std::string JsonLine(std::string_view message, std::initializer_list<Log::Field> fields) {
  std::string line = fmt::format(R"("message":"{}")", Escaped(message));
  for (const auto& [name, value] : fields) line += fmt::format(R"(,"{}":"{}")", name, Escaped(value));
  return line;
}

spdlog::level::level_enum LevelOf(Log::Level level) {
  switch (level) {
    case Log::Level::kDebug:
      return spdlog::level::debug;
    case Log::Level::kInfo:
      return spdlog::level::info;
    case Log::Level::kWarning:
      return spdlog::level::warn;
    case Log::Level::kError:
      break;
  }
  return spdlog::level::err;
}

Result<std::shared_ptr<spdlog::logger>> MakeLogger(const LogSettings& settings) {
  try {
    spdlog::sink_ptr sink;
    if (settings.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file);
    }
    auto logger = std::make_shared<spdlog::logger>("platterd", std::move(sink));
    logger->set_level(settings.debug ? spdlog::level::debug : spdlog::level::info);
    logger->flush_on(spdlog::level::debug);
    const char* pattern =
        settings.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})" : "%Y-%m-%d %H:%M:%S.%e %l %v";
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
    return logger;
  } catch (const spdlog::spdlog_ex& failure) {
    return Error(ErrorKind::kIo, fmt::format("cannot write the log '{}': {}", settings.file, failure.what()));
  }
}

}  // namespace

class Log::Impl {
 public:
  void Use(std::shared_ptr<spdlog::logger> logger, bool json) {
    const std::lock_guard lock(mutex_);
    logger_ = std::move(logger);
    json_ = json;
  }
  std::pair<std::shared_ptr<spdlog::logger>, bool> current() {
    const std::lock_guard lock(mutex_);
    return {logger_, json_};
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<spdlog::logger> logger_;
  bool json_ = false;
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::Open(const LogSettings& settings) {
  auto log = std::unique_ptr<Log>(new Log(std::make_unique<Impl>()));
  PLATTER_CHECK(log->Reopen(settings));
  return log;
}

Result<> Log::Reopen(const LogSettings& settings) {
  auto logger = PLATTER_TRY(MakeLogger(settings));
  impl_->Use(std::move(logger), settings.json);
  return Done();
}

void Log::Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  const auto [logger, json] = impl_->current();
  const spdlog::level::level_enum at = LevelOf(level);
  if (!logger->should_log(at)) return;
  const std::string line = json ? JsonLine(message, fields) : TextLine(message, fields);
  logger->log(at, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace platter::platterd
