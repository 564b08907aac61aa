#include "fuzz/support/peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>

#include "formats/core/bytes.h"
#include "formats/format_table.h"
#include "fuzz/peer/protocol.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

// Empty where we do not take the image, or not all of what would be compared.
std::optional<Reading> OurReading(std::string_view format, const std::shared_ptr<SparseStorage>& file) {
  DenyGate gate;
  const auto image = FindFormat(format)->open(file, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok()) return std::nullopt;
  const ImageInfo& info = image.value()->info();
  if (info.backing || info.backing_search || info.encrypted) return std::nullopt;
  Reading reading{.size = info.virtual_size, .bytes = {}};
  reading.bytes.resize(std::min(reading.size, kPeerReads));
  if (!image.value()->ReadAt(0, reading.bytes).ok()) return std::nullopt;
  return reading;
}

// The program stands beside the harness.
std::string PeerProgram() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "platter_fuzz_peer").string();
}

// The file as a descriptor that the other process inherits.
int Descriptor(SparseStorage& file) {
  const int fd = memfd_create("image", 0);
  Promise(fd >= 0 && ftruncate(fd, static_cast<off_t>(file.size())) == 0, "a file in memory can be made");
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at < file.size();) {
    const DataRun run = file.DataMap(at).value();
    if (run.data) {
      bytes.resize(run.length);
      Promise(file.ReadAt(at, bytes).ok(), "the input can be read");
      Promise(pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(bytes.size()),
              "a file in memory can be written");
    }
    at += run.length;
  }
  return fd;
}

std::vector<std::byte> ReadAll(int fd) {
  std::vector<std::byte> all;
  std::vector<std::byte> part(65536);
  for (;;) {
    const ssize_t count = read(fd, part.data(), part.size());
    if (count <= 0) return all;
    all.insert(all.end(), part.begin(), part.begin() + count);
  }
}

std::optional<Reading> TheirReading(std::string_view library, SparseStorage& file) {
  const int image = Descriptor(file);
  int pipe_ends[2];
  Promise(pipe2(pipe_ends, O_CLOEXEC) == 0, "a pipe can be made");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  static const std::string kProgram = PeerProgram();
  std::vector<std::string> words = {kProgram, std::string(library), std::to_string(image)};
  char* const arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = 0;
  const int failure = posix_spawn(&child, kProgram.c_str(), &actions, nullptr, arguments, environ);
  Promise(failure == 0, "the second reader can be started", kProgram);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  auto bytes = ReadAll(pipe_ends[0]);
  close(pipe_ends[0]);
  close(image);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || bytes.size() < 8) return std::nullopt;
  Reading reading{.size = LoadLe<std::uint64_t>(bytes.data()), .bytes = {}};
  reading.bytes.assign(bytes.begin() + 8, bytes.end());
  return reading;
}

void Compare(std::string_view format, std::string_view library, const std::shared_ptr<SparseStorage>& file,
             bool (*known)(const Difference&)) {
  const auto ours = OurReading(format, file);
  if (!ours) return;
  const auto theirs = TheirReading(library, *file);
  if (!theirs) return;
  const std::size_t common = std::min(ours->bytes.size(), theirs->bytes.size());
  const bool same_bytes =
      std::equal(ours->bytes.begin(), ours->bytes.begin() + static_cast<std::ptrdiff_t>(common), theirs->bytes.begin());
  if ((ours->size == theirs->size && same_bytes) || known({*file, *ours, *theirs})) return;
  const auto [mine, other] = std::mismatch(
      ours->bytes.begin(), ours->bytes.begin() + static_cast<std::ptrdiff_t>(common), theirs->bytes.begin());
  Broken("two readers read the same", "sizes " + std::to_string(ours->size) + " and " + std::to_string(theirs->size) +
                                          ", the first difference at " + std::to_string(mine - ours->bytes.begin()) +
                                          " of " + std::to_string(common));
}

std::span<const std::byte> Unit(const Reading& reading, std::uint64_t at, std::uint64_t size) {
  const auto bytes = std::span(reading.bytes);
  return bytes.subspan(at, std::min<std::uint64_t>(size, bytes.size() - at));
}

}  // namespace

bool Explained(const Difference& difference, std::string_view format,
               bool (*explains)(const LayerExtent& extent, std::uint64_t unit)) {
  if (difference.ours.size != difference.theirs.size) return false;
  DenyGate gate;
  const std::shared_ptr<Storage> file(std::shared_ptr<void>(), &difference.file);
  const auto image = FindFormat(format)->open(file, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok() || image.value()->info().allocation_unit == 0) return false;
  const std::uint64_t unit = image.value()->info().allocation_unit;
  const std::size_t common = std::min(difference.ours.bytes.size(), difference.theirs.bytes.size());
  for (std::uint64_t at = 0; at < common; at += unit) {
    const auto ours = Unit(difference.ours, at, unit);
    const auto theirs = Unit(difference.theirs, at, ours.size());
    if (std::ranges::equal(ours.first(theirs.size()), theirs)) continue;
    const auto extent = image.value()->Map(at, 1);
    if (!extent.ok() || !explains(extent.value(), unit)) return false;
  }
  return true;
}

void CompareWithPeer(std::string_view format, std::string_view library, std::span<const std::uint8_t> input,
                     bool (*mend)(SparseStorage&), bool (*known)(const Difference&)) {
  const auto file = SparseStorage::FromInput(input);
  (void)mend(*file);
  Compare(format, library, file, known);
}

}  // namespace platter::fuzz
