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
};

// In alphabetical order.
std::span<const Verb> AllVerbs() noexcept;

int RunCheck(const Invocation& call);
int RunCompare(const Invocation& call);
int RunConvert(const Invocation& call);
int RunCreate(const Invocation& call);
int RunInfo(const Invocation& call);
int RunMap(const Invocation& call);
int RunMeasure(const Invocation& call);

}  // namespace platter::cli
