// What platter-hook is asked to do.
#pragma once

#include <span>
#include <string>

#include "formats/core/result.h"
#include "formats/inspect/inspector.h"
#include "tools/platter-hook/sandbox.h"

namespace platter::hook {

struct Arguments {
  enum class Wish : std::uint8_t { kInspect, kHelp, kVersion };
  Wish wish = Wish::kInspect;
  std::string file;  // "-": the standard input
  inspect::Depth depth = inspect::Depth::kStreaming;
  inspect::Policy policy;
  SandboxLimits limits;
  bool require_sandbox = false;
};

// Reads the policy file, too, where one is named: options and lines of the file count in the order in which they come.
// kInvalid; kIo for a policy file that cannot be read.
Result<Arguments> ParseArguments(std::span<char*> words);

// What --help prints.
std::string HelpText();

}  // namespace platter::hook
