#include "tests/support/command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

namespace platter::test {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Capture = std::unique_ptr<std::FILE, CloseFile>;

Capture OpenCapture() {
  Capture file(std::tmpfile());
  if (!file) throw std::system_error(errno, std::generic_category(), "tmpfile");
  fcntl(fileno(file.get()), F_SETFD, FD_CLOEXEC);
  return file;
}

std::string Content(const Capture& file) {
  std::string text;
  std::array<char, 65536> part{};
  std::rewind(file.get());
  for (std::size_t got = 0; (got = std::fread(part.data(), 1, part.size(), file.get())) > 0;) {
    text.append(part.data(), got);
  }
  return text;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// An added variable replaces one of the same name: the first match in the list counts.
std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  return all;
}

class FileActions {
 public:
  FileActions(const CommandOptions& options, int out, int err) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, options.merge_streams ? out : err, STDERR_FILENO);
    if (!options.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions_, options.folder.c_str());
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

int ExitCode(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

CommandResult RunCommand(const std::vector<std::string>& argv, const CommandOptions& options) {
  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = Environment(options.environment);
  const Capture out = OpenCapture();
  const Capture err = OpenCapture();
  const FileActions actions(options, fileno(out.get()), fileno(err.get()));
  CommandResult result;
  pid_t child = 0;
  const int failure = posix_spawnp(&child, arguments.front().c_str(), actions.get(), nullptr,
                                   Pointers(arguments).data(), Pointers(environment).data());
  if (failure != 0) {
    result.exit_code = 127;
    result.err = argv.front() + ": " + std::strerror(failure) + "\n";
    return result;
  }
  int status = 0;
  struct rusage usage {};
  while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  result.exit_code = ExitCode(status);
  result.out = Content(out);
  result.err = Content(err);
  result.peak_rss = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return result;
}

std::string MustRun(const std::vector<std::string>& argv, const CommandOptions& options) {
  CommandResult result = RunCommand(argv, options);
  // qemu-img measures how fast it derives keys before it makes an encrypted image, and gives up on a busy machine.
  constexpr int kTries = 50;
  for (int i = 1; i < kTries && result.err.find("Unable to get accurate CPU usage") != std::string::npos; ++i) {
    result = RunCommand(argv, options);
  }
  if (result.exit_code != 0) {
    std::string line;
    for (const std::string& word : argv) line += word + " ";
    ADD_FAILURE() << line << "ended with exit code " << result.exit_code << "\n" << result.out << result.err;
  }
  return result.out;
}

}  // namespace platter::test
