// Runs other programs: the peer tools that tests compare with, and the project's own tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace platter::test {

struct CommandOptions {
  std::string folder;                    // to run in; "" = this process's
  std::vector<std::string> environment;  // "NAME=value", added to this process's
  bool merge_streams = false;            // what goes to the standard error stream lands in `out`, in order
};

struct CommandResult {
  int exit_code = -1;  // 128 + the signal's number for a program that a signal ended, 127 for one that is not there
  std::string out;
  std::string err;
  std::uint64_t peak_rss = 0;  // bytes
};

// Runs `argv` (argv[0] is searched in PATH) to its end, with nothing on its standard input.
CommandResult RunCommand(const std::vector<std::string>& argv, const CommandOptions& options = {});

// As RunCommand for a program that must succeed: adds a test failure with everything it said when its exit code is not
// 0. Returns its standard output.
std::string MustRun(const std::vector<std::string>& argv, const CommandOptions& options = {});

}  // namespace platter::test
