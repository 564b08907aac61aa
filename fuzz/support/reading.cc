#include "fuzz/support/reading.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string>

#include "formats/core/bytes.h"
#include "fuzz/peer/protocol.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

// A file in memory that the other processes inherit.
class InheritedFile {
 public:
  InheritedFile() : fd_(memfd_create("image", 0)) { Promise(fd_ >= 0, "a file in memory can be made"); }
  explicit InheritedFile(SparseStorage& content) : InheritedFile() {
    Promise(ftruncate(fd_, static_cast<off_t>(content.size())) == 0, "a file in memory can be made as large as needed");
    std::vector<std::byte> bytes;
    for (std::uint64_t at = 0; at < content.size();) {
      const DataRun run = content.DataMap(at).value();
      if (run.data) {
        bytes.resize(run.length);
        Promise(content.ReadAt(at, bytes).ok(), "the input can be read");
        Promise(pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(bytes.size()),
                "a file in memory can be written");
      }
      at += run.length;
    }
  }
  InheritedFile(const InheritedFile&) = delete;
  InheritedFile& operator=(const InheritedFile&) = delete;
  ~InheritedFile() { close(fd_); }

  std::string number() const { return std::to_string(fd_); }
  std::string path() const { return "/proc/self/fd/" + number(); }
  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// libFuzzer's alarm interrupts whatever waits.
std::vector<std::byte> ReadAll(int fd) {
  std::vector<std::byte> all;
  std::vector<std::byte> part(65536);
  for (;;) {
    const ssize_t count = read(fd, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return all;
    all.insert(all.end(), part.begin(), part.begin() + count);
  }
}

// What the program writes to its standard output. Empty: it did not end well.
std::optional<std::vector<std::byte>> Run(std::vector<std::string> words) {
  int pipe_ends[2];
  Promise(pipe2(pipe_ends, O_CLOEXEC) == 0, "a pipe can be made");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  Promise(failure == 0, "another reader can be started", words[0]);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  auto bytes = ReadAll(pipe_ends[0]);
  close(pipe_ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) Promise(errno == EINTR, "another reader can be waited for", words[0]);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return bytes;
}

// The program stands beside the harness.
std::string PeerProgram() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "platter_fuzz_peer").string();
}

std::string_view QemusName(std::string_view format) { return format == "vhd" ? "vpc" : format; }

// Out of "virtual size: 64 KiB (65536 bytes)".
std::optional<std::uint64_t> VirtualSize(std::string_view description) {
  const std::size_t line = description.find("virtual size: ");
  const std::size_t number = description.find('(', line);
  if (line == std::string_view::npos || number == std::string_view::npos) return std::nullopt;
  std::uint64_t size = 0;
  const char* const end = description.data() + description.size();
  if (std::from_chars(description.data() + number + 1, end, size).ec != std::errc()) return std::nullopt;
  return size;
}

}  // namespace

std::optional<Reading> LibraryReading(std::string_view library, SparseStorage& file) {
  const InheritedFile image(file);
  const auto answer = Run({PeerProgram(), std::string(library), image.number()});
  if (!answer || answer->size() < 8) return std::nullopt;
  return Reading{.size = LoadLe<std::uint64_t>(answer->data()), .bytes = {answer->begin() + 8, answer->end()}};
}

std::optional<Reading> QemuReading(std::string_view format, SparseStorage& file) {
  const InheritedFile image(file);
  const InheritedFile disk;
  const std::string name(QemusName(format));
  const auto about = Run({"timeout", "5", "qemu-img", "info", "-U", "-f", name, image.path()});
  if (!about) return std::nullopt;
  const auto size = VirtualSize({reinterpret_cast<const char*>(about->data()), about->size()});
  constexpr std::uint64_t kPiece = 65536;
  const auto copied =
      Run({"timeout", "5", "qemu-img", "dd", "-U", "-f", name, "-O", "raw", "bs=" + std::to_string(kPiece),
           "count=" + std::to_string(kPeerReads / kPiece), "if=" + image.path(), "of=" + disk.path()});
  if (!size || !copied || lseek(disk.fd(), 0, SEEK_SET) != 0) return std::nullopt;
  return Reading{.size = *size, .bytes = ReadAll(disk.fd())};
}

}  // namespace platter::fuzz
