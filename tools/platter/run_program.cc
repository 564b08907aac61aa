#include "tools/platter/run_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace platter::cli {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Ours, without those variables that `ours_to_set` sets: of two of one name some programs take the first, others the
// last.
std::vector<std::string> MergedEnvironment(const std::vector<std::string>& ours_to_set) {
  std::vector<std::string> merged = ours_to_set;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const auto set = [name](const std::string& other) { return other.starts_with(name); };
    if (name.empty() || std::ranges::none_of(ours_to_set, set)) merged.emplace_back(text);
  }
  return merged;
}

// What is said until the other end closes; the first part of it.
std::string ReadAll(int fd) {
  constexpr std::size_t kKept = 4096;
  std::string text;
  std::array<char, 512> buffer{};
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (text.size() < kKept) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Result<> RunProgram(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                    const std::string& package) {
  std::vector<std::string> words = argv;
  std::vector<std::string> variables = MergedEnvironment(environment);
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return Error::FromErrno(errno, "making a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
  pid_t pid = 0;
  const int failed =
      posix_spawnp(&pid, words.front().c_str(), &actions, nullptr, Pointers(words).data(), Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  const std::string said = failed == 0 ? ReadAll(pipe_ends[0]) : "";
  close(pipe_ends[0]);
  if (failed == ENOENT) {
    return Error(ErrorKind::kUnsupported, fmt::format("this takes the program {}, which is not there", argv.front()))
        .Try(fmt::format("install the package {}", package));
  }
  if (failed != 0) return Error::FromErrno(failed, fmt::format("starting {}", argv.front()));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Done{};
  return Error(ErrorKind::kIo, fmt::format("{} failed: {}", argv.front(), said));
}

Result<ScratchFolder> ScratchFolder::Make() {
  const char* parent = std::getenv("TMPDIR");
  std::string path = fmt::format("{}/platter-XXXXXX", parent == nullptr || *parent == 0 ? "/var/tmp" : parent);
  if (mkdtemp(path.data()) == nullptr) return Error::FromErrno(errno, "making a folder").In(path);
  return ScratchFolder(std::move(path));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace platter::cli
