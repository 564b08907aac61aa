// The verbs of the command line: one row each.
#pragma once

#include <span>
#include <string_view>

#include "tools/platter/persona.h"

namespace platter::cli {

struct Verb;

// One call of a verb.
struct Invocation {
  const Persona& persona;
  const Verb& verb;
  std::span<char*> words;  // the verb's name, then its arguments; a null pointer stands behind the last one
};

struct Verb {
  std::string_view name;
  std::string_view summary;       // one line for `platter --help`
  std::string_view usage;         // the options and operands, as one line
  std::string_view options;       // a line per option, for `platter VERB --help`
  int (*run)(const Invocation&);  // returns the exit code
  bool ours = false;              // qemu-img does not have it, and neither do we when we are called so
  int failure = 1;                // exit code where what it prints goes nowhere
};

// In alphabetical order.
std::span<const Verb> AllVerbs() noexcept;
// The verb of that name that `persona` has; null when there is none.
const Verb* FindVerb(const Persona& persona, std::string_view name) noexcept;

int RunAmazon(const Invocation& call);
int RunAudit(const Invocation& call);
int RunCat(const Invocation& call);
int RunCheck(const Invocation& call);
int RunCompare(const Invocation& call);
int RunConvert(const Invocation& call);
int RunCreate(const Invocation& call);
int RunDocker(const Invocation& call);
int RunExtract(const Invocation& call);
int RunHash(const Invocation& call);
int RunInfo(const Invocation& call);
int RunInspect(const Invocation& call);
int RunLs(const Invocation& call);
int RunMap(const Invocation& call);
int RunMeasure(const Invocation& call);

}  // namespace platter::cli
