// What the tool says on the standard error stream. Every message starts with the name that the program was called by.
#pragma once

#include <string>
#include <string_view>

#include "formats/core/error.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// "platter: text".
void Complain(const Persona& persona, std::string_view text);

// For a wrong command line: Complain and where to find help. Returns the exit code, 1.
int ComplainUsage(const Persona& persona, std::string_view text);

// The reason alone, without the program's name, in qemu's words where the host or a lock says no.
std::string ReasonOf(const Error& error);

// "platter: Could not open 'name': reason".
void ComplainOpen(const Persona& persona, std::string_view name, const Error& error);

// A warning that `file_system` is read without what its journal holds.
void WarnOfJournal(const Persona& persona, std::string_view file_system);

// False, after a message, when something that was printed did not reach the standard output.
bool FlushOutput(const Persona& persona);

}  // namespace platter::cli
