// platterd: an image registry that speaks OpenStack Glance's API, version 2.
#include <fmt/format.h>
#include <malloc.h>

#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tools/platterd/config/option_table.h"
#include "tools/platterd/config/settings.h"
#include "tools/platterd/database.h"
#include "tools/platterd/registry.h"
#include "tools/platterd/service/open_files.h"
#include "tools/platterd/service/serve.h"
#include "tools/platterd/v2/routes.h"
#include "tools/print.h"

namespace platter::platterd {
namespace {

constexpr std::string_view kHelp = R"(usage: platterd [--config-file FILE]... [VERB]

An image registry that speaks OpenStack Glance's API, version 2. Every upload is inspected while it arrives.

verbs:
  serve              answers requests until SIGTERM (the verb where none is given); SIGHUP reads the configuration again
  db sync            makes the database's schema, or brings it up to date
  db version         prints the version of the database's schema
  db check           says whether it is up to date: exit 0, or 3 where `db sync` is needed
  db purge           removes records of deleted images
  check-config       says what is wrong with the configuration, and what in it has no effect
  config-reference   prints all options, as Markdown
  api-reference      prints the routes of the API, as Markdown

Called glance-manage, it takes that tool's verbs: db_sync, db_version, db_check, db_purge, also in two
words.

options, before or after the verb:
  --config-file FILE a glance-api.conf; several add up. Without one: SQLite and files in a state folder, on
                     127.0.0.1 port 9292, without authentication
  --age_in_days N    of db purge: those that were deleted so long ago (30)
  --max_rows N       of db purge: no more than so many (100); 0 for all
  --version, --help
)";

struct CommandLine {
  std::vector<std::string> config_files;
  std::vector<std::string> words;
  PurgeOptions purge;
  bool purges = false;  // an option of db purge was there
  bool help = false;
  bool version = false;
};

template <class Number>
Result<> ParseNumber(std::string_view option, std::string_view text, Number& out) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failure == std::errc() && end == text.data() + text.size() && !text.empty()) return Done();
  return Error(ErrorKind::kInvalid, fmt::format("{} wants a number", option)).Found(std::string(text));
}

// The option's value, in the same word behind a "=" or in the next one. Moves `at` to the last word that was taken.
Result<std::string_view> ValueOf(std::string_view option, int argc, char** argv, int& at) {
  const std::string_view word = argv[at];
  if (word.size() > option.size()) return word.substr(option.size() + 1);
  if (++at == argc) return Error(ErrorKind::kInvalid, fmt::format("{} wants a value", option));
  return std::string_view(argv[at]);
}

Result<CommandLine> ParseCommandLine(int argc, char** argv) {
  CommandLine out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view option = word.substr(0, word.find('='));
    if (option == "--config-file") {
      out.config_files.emplace_back(PLATTER_TRY(ValueOf(option, argc, argv, i)));
    } else if (option == "--age_in_days" || option == "--max_rows") {
      const std::string_view value = PLATTER_TRY(ValueOf(option, argc, argv, i));
      PLATTER_CHECK(option == "--max_rows" ? ParseNumber(option, value, out.purge.max_rows)
                                           : ParseNumber(option, value, out.purge.age_in_days));
      out.purges = true;
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
  PrintText(stderr, "platterd: {}\n", error.Describe());
  return 1;
}

int CheckConfig(const CommandLine& line) {
  const auto settings = LoadSettings(line.config_files, FromEnvironment);
  if (!settings.ok()) return Complain(settings.error());
  for (const std::string& remark : settings.value().remarks) PrintText("{}\n", remark);
  if (const auto folders = CheckFolders(settings.value()); !folders.ok()) return Complain(folders.error());
  PrintText("The configuration can be used.\n");
  return 0;
}

Result<> ServeUntilStopped(const CommandLine& line) {
  const Signals signals;
  const Settings settings = PLATTER_TRY(LoadSettings(line.config_files, FromEnvironment));
  const auto log = PLATTER_TRY(Log::Open(settings.log));
  const std::uint64_t open_files = RaiseOpenFiles();
  std::error_code failure;
  std::filesystem::create_directories(settings.state, failure);
  if (failure) return Error::FromErrno(failure.value(), fmt::format("cannot make the folder '{}'", settings.state));
  Metrics metrics;
  // Nobody runs `db sync` for the embedded default.
  const auto registry = PLATTER_TRY(Registry::Open(settings, line.config_files.empty(), *log, metrics));
  const auto reload = [&line] { return LoadSettings(line.config_files, FromEnvironment); };
  return Serve(settings, signals,
               Parts{*log, metrics, &registry->api(), [&registry] { return registry->Health(); },
                     [&registry] { registry->GiveUp(); }, open_files, reload});
}

// What Glance's tool of that name does, in platterd's words.
Result<> ReadAsGlanceManage(CommandLine& line) {
  constexpr std::string_view kUsual[] = {"/etc/glance/glance-api.conf", "/etc/glance/glance-manage.conf"};
  if (line.config_files.empty()) {
    std::error_code failure;
    for (const std::string_view file : kUsual) {
      if (std::filesystem::exists(file, failure)) line.config_files.emplace_back(file);
    }
  }
  if (line.help || line.version) return Done();
  if (line.words.size() == 1 && line.words[0].starts_with("db_")) {
    line.words = {"db", line.words[0].substr(3)};
  }
  if (line.words.size() == 2 && line.words[0] == "db") return Done();
  return Error(ErrorKind::kInvalid, fmt::format("there is no verb {}", fmt::join(line.words, " ")))
      .Allowed("db_sync, db_version, db_check, db_purge");
}

Result<int> ManageDatabase(const CommandLine& line) {
  const Settings settings = PLATTER_TRY(LoadSettings(line.config_files, FromEnvironment));
  // The database lies there where the configuration names none.
  if (settings.database.starts_with(fmt::format("sqlite:///{}/", settings.state))) {
    std::error_code failure;
    std::filesystem::create_directories(settings.state, failure);
    if (failure) return Error::FromErrno(failure.value(), fmt::format("cannot make the folder '{}'", settings.state));
  }
  return RunDatabaseVerb(settings.database, line.words[1], line.purge);
}

int Run(int argc, char** argv) {
  auto parsed = ParseCommandLine(argc, argv);
  if (!parsed.ok()) return Complain(parsed.error());
  CommandLine& line = parsed.value();
  if (argc > 0 && std::filesystem::path(argv[0]).filename() == "glance-manage") {
    const auto read = ReadAsGlanceManage(line);
    if (!read.ok()) return Complain(read.error());
  }
  if (line.help) {
    PrintText("{}", kHelp);
    return 0;
  }
  if (line.version) {
    PrintText("platterd version {}\n", PLATTER_VERSION);
    return 0;
  }
  const std::string verb = line.words.empty() ? "serve" : line.words.front();
  if (line.purges && (line.words.size() != 2 || line.words[1] != "purge")) {
    return Complain(Error(ErrorKind::kInvalid, "--age_in_days and --max_rows are options of db purge"));
  }
  if (verb == "db" && line.words.size() == 2) {
    const auto code = ManageDatabase(line);
    return code.ok() ? code.value() : Complain(code.error());
  }
  if (line.words.size() > 1) {
    return Complain(Error(ErrorKind::kInvalid, fmt::format("too many words: {}", line.words[1])));
  }
  if (verb == "check-config") return CheckConfig(line);
  if (verb == "config-reference") {
    PrintText("{}", ConfigReference());
    return 0;
  }
  if (verb == "api-reference") {
    PrintText("{}", ApiReference());
    return 0;
  }
  if (verb == "db") return Complain(Error(ErrorKind::kInvalid, "db wants sync, version, check or purge"));
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
  // glibc gives nearly every thread an arena, and each keeps what its thread once held: a few are enough for the
  // threads that run at the same time.
  mallopt(M_ARENA_MAX, static_cast<int>(2 + std::thread::hardware_concurrency()));
  // By itself it would learn from the first long list to keep what such a list takes, in every arena.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 8 << 20);
  return platter::platterd::Run(argc, argv);
}
