// platter: disk images from the command line.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tools/platter/argument_parser.h"
#include "tools/platter/message.h"
#include "tools/platter/persona.h"
#include "tools/platter/verb.h"

namespace platter::cli {
namespace {

constexpr option kStandardOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {"trace", required_argument, nullptr, 'T'},
    {nullptr, 0, nullptr, 0},
};

// `exit_code`, unless what was printed is lost, which qemu-img takes no notice of.
int AfterPrinting(const Persona& persona, int exit_code, int failure) {
  if (persona.as_qemu || exit_code != 0) return exit_code;
  return FlushOutput(persona) ? exit_code : failure;
}

int RunVerb(const Persona& persona, std::span<char*> words) {
  if (words.empty()) return ComplainUsage(persona, "Not enough arguments");
  const std::string_view name = words.front();
  const Verb* verb = FindVerb(persona, name);
  if (verb == nullptr) return ComplainUsage(persona, fmt::format("Command not found: {}", name));
  return AfterPrinting(persona, verb->run(Invocation{persona, *verb, words}), verb->failure);
}

// An image may consist of thousands of files, all open at once. Without success the usual number has to do.
void RaiseOpenFileLimit() {
  struct rlimit limit {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// A closed standard stream leaves its number to the first file that is opened, and messages would go into an image.
// What takes its place can be opened and not be used, as a closed one.
void OpenStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free is this one.
    (void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int Run(const Persona& persona, int argc, char** argv) {
  opterr = 0;
  for (int code = 0; (code = getopt_long(argc, argv, "+:hVT:", kStandardOptions, nullptr)) != -1;) {
    const char* word = argv[optind - 1];
    switch (code) {
      case 'h':
        PrintHelp(persona);
        return AfterPrinting(persona, 0, 1);
      case 'V':
        PrintVersion(persona);
        return AfterPrinting(persona, 0, 1);
      case 'T':
        Complain(persona, fmt::format("--trace is not supported (got '{}')", optarg));
        return 1;
      case ':':
        return ComplainUsage(persona, fmt::format("missing argument for option '{}'", word));
      default:
        return ComplainUsage(persona, fmt::format("unrecognized option '{}'", word));
    }
  }
  return RunVerb(persona, std::span(argv, static_cast<std::size_t>(argc)).subspan(static_cast<std::size_t>(optind)));
}

}  // namespace
}  // namespace platter::cli

int main(int argc, char** argv) {
  using namespace platter::cli;
  const Persona persona = Persona::FromCommandName(argc > 0 ? argv[0] : "");
  // A reader that goes away, or a file size limit, is an error to report, not an end without a word.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  OpenStandardStreams();
  RaiseOpenFileLimit();
  return Run(persona, argc, argv);
}
