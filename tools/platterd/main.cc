// platterd: an image registry that speaks OpenStack Glance's API, version 2.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/platterd/config/option_table.h"
#include "tools/platterd/config/settings.h"
#include "tools/platterd/service/serve.h"

namespace platter::platterd {
namespace {

constexpr std::string_view kHelp = R"(usage: platterd [--config-file FILE]... [VERB]

The server of an image registry that is to speak OpenStack Glance's API, version 2. The API itself is not there yet: every
path but /healthcheck answers 404.

verbs:
  serve              answers requests until SIGTERM (the verb where none is given); SIGHUP reads the configuration again
  check-config       says what is wrong with the configuration, and what in it has no effect
  config-reference   prints all options, as Markdown

options, before or after the verb:
  --config-file FILE a glance-api.conf; several add up. Without one: SQLite and files in a state folder, on
                     127.0.0.1 port 9292, without authentication
  --version, --help
)";

struct CommandLine {
  std::vector<std::string> config_files;
  std::vector<std::string> words;
  bool help = false;
  bool version = false;
};

Result<CommandLine> ParseCommandLine(int argc, char** argv) {
  CommandLine out;
  constexpr std::string_view kFile = "--config-file";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == kFile) {
      if (++i == argc) return Error(ErrorKind::kInvalid, "--config-file wants a file");
      out.config_files.emplace_back(argv[i]);
    } else if (word.starts_with(kFile) && word.substr(kFile.size()).starts_with('=')) {
      out.config_files.emplace_back(word.substr(kFile.size() + 1));
    } else if (word == "--help" || word == "-h") {
      out.help = true;
    } else if (word == "--version" || word == "-V") {
      out.version = true;
    } else if (word.starts_with('-')) {
      return Error(ErrorKind::kInvalid, fmt::format("there is no option {}", word));
    } else {
      out.words.emplace_back(word);
    }
  }
  return out;
}

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int Complain(const Error& error) {
  fmt::print(stderr, "platterd: {}\n", error.Describe());
  return 1;
}

int CheckConfig(const CommandLine& line) {
  const auto settings = LoadSettings(line.config_files, FromEnvironment);
  if (!settings.ok()) return Complain(settings.error());
  for (const std::string& remark : settings.value().remarks) fmt::print("{}\n", remark);
  fmt::print("The configuration can be used.\n");
  return 0;
}

Result<> ServeUntilStopped(const CommandLine& line) {
  const Signals signals;
  const Settings settings = PLATTER_TRY(LoadSettings(line.config_files, FromEnvironment));
  const auto log = PLATTER_TRY(Log::Open(settings.log));
  std::error_code failure;
  std::filesystem::create_directories(settings.state, failure);
  if (failure) return Error::FromErrno(failure.value(), fmt::format("cannot make the folder '{}'", settings.state));
  Metrics metrics;
  const auto well = []() -> std::optional<std::string> { return std::nullopt; };
  const auto reload = [&line] { return LoadSettings(line.config_files, FromEnvironment); };
  return Serve(settings, signals, Parts{*log, metrics, nullptr, well, reload});
}

int Run(int argc, char** argv) {
  const auto parsed = ParseCommandLine(argc, argv);
  if (!parsed.ok()) return Complain(parsed.error());
  const CommandLine& line = parsed.value();
  if (line.help) {
    fmt::print("{}", kHelp);
    return 0;
  }
  if (line.version) {
    fmt::print("platterd version {}\n", PLATTER_VERSION);
    return 0;
  }
  const std::string verb = line.words.empty() ? "serve" : line.words.front();
  if (line.words.size() > 1) {
    return Complain(Error(ErrorKind::kInvalid, fmt::format("too many words: {}", line.words[1])));
  }
  if (verb == "check-config") return CheckConfig(line);
  if (verb == "config-reference") {
    fmt::print("{}", ConfigReference());
    return 0;
  }
  if (verb != "serve") return Complain(Error(ErrorKind::kInvalid, fmt::format("there is no verb {}", verb)));
  const auto served = ServeUntilStopped(line);
  return served.ok() ? 0 : Complain(served.error());
}

}  // namespace
}  // namespace platter::platterd

int main(int argc, char** argv) {
  // A client that goes away, or a file size limit, is an error to report, not an end without a word.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  return platter::platterd::Run(argc, argv);
}
