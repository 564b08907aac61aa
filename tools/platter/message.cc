#include "tools/platter/message.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tools/print.h"

namespace platter::cli {

void Complain(const Persona& persona, std::string_view text) {
  std::fflush(stdout);
  PrintText(stderr, "{}: {}\n", persona.program, text);
}

int ComplainUsage(const Persona& persona, std::string_view text) {
  Complain(persona, text);
  PrintText(stderr, "Try '{} --help' for more information\n", persona.program);
  return 1;
}

std::string ReasonOf(const Error& error) {
  if (error.kind() == ErrorKind::kDenied && error.what().starts_with("Failed to get")) {
    return fmt::format("{}\nIs another process using the image [{}]?", error.what(), error.file());
  }
  return error.Describe();
}

void ComplainOpen(const Persona& persona, std::string_view name, const Error& error) {
  std::string reason = ReasonOf(error);
  if (error.os_error() != 0 && error.file() == name) {
    reason = fmt::format("Could not open '{}': {}", name, std::strerror(error.os_error()));
  }
  Complain(persona, fmt::format("Could not open '{}': {}", name, reason));
}

void WarnOfJournal(const Persona& persona, std::string_view file_system) {
  Complain(persona,
           fmt::format("warning: the journal of {} was not replayed: what was written last is missing; mount it "
                       "once, or run e2fsck -p on a copy",
                       file_system));
}

bool FlushOutput(const Persona& persona) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  Complain(persona, fmt::format("cannot write to the standard output: {}", std::strerror(errno)));
  return false;
}

}  // namespace platter::cli
