// An appliance in an archive: opened, and its disks as far as they open, in a file and out of a pipe. No other file is.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "formats/container_table.h"
#include "formats/containers/ova/passing.h"
#include "formats/core/forward_storage.h"
#include "formats/core/slice_storage.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

constexpr std::size_t kMostDisks = 8;

void ReadEnds(Storage& whole, const Storage& archive) {
  Promise(whole.size() <= archive.size(), "chunks lie in the archive");
  std::array<std::byte, 700> piece{};
  const auto part = std::span(piece).first(std::min<std::uint64_t>(piece.size(), whole.size()));
  Promise(whole.ReadAt(0, part).ok() && whole.ReadAt(whole.size() - part.size(), part).ok(), "chunks can be read");
}

void Open(const std::shared_ptr<SparseStorage>& file, const ContainerDriver& driver) {
  DenyGate gate;
  OpenContext context;
  context.limits = SmallLimits();
  context.gate = &gate;
  const auto container = driver.open(file, context);
  if (!container.ok()) return Told(container.error());
  const ContainerInfo& info = container.value()->info();
  for (const ContainerMember& member : info.members) {
    Promise(member.offset <= file->size() && member.size <= file->size() - member.offset, "a member lies in the file");
  }
  for (std::size_t disk = 0; disk < info.disks.size() && disk < kMostDisks; ++disk) {
    const auto bytes = container.value()->OpenDisk(disk);
    if (!bytes.ok()) {
      Told(bytes.error());
      continue;
    }
    if (!info.disks[disk].compression.empty()) continue;  // what it unpacks to lies nowhere
    if (const auto* slice = dynamic_cast<const SliceStorage*>(bytes.value().get())) {
      Promise(slice->whole() == file, "a disk lies in the archive");
    } else {
      ReadEnds(*bytes.value(), *file);  // a file in chunks
    }
    const auto chain = OpenWrappedChain("a.ova", *container.value(), disk, context);
    if (!chain.ok()) Told(chain.error());
  }
}

// A file that is read as a pipe would be: the same bytes, once.
class Pipe {
 public:
  explicit Pipe(Storage& file) : fd_(memfd_create("pipe", MFD_CLOEXEC)) {
    std::vector<std::byte> bytes(file.size());
    Promise(file.ReadAt(0, bytes).ok() &&
                write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                lseek(fd_, 0, SEEK_SET) == 0,
            "a file in memory can be passed on");
  }
  ~Pipe() { close(fd_); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// Reads a disk forwards, and what a file says of the same place where that can be opened, too.
Result<> ReadForwards(const Chain& passing, const Chain* whole) {
  constexpr std::uint64_t kMost = std::uint64_t{8} << 20;
  std::vector<std::byte> ours(std::size_t{64} << 10);
  std::vector<std::byte> theirs(ours.size());
  for (std::uint64_t at = 0; at < std::min(passing.virtual_size(), kMost);) {
    const Extent extent =
        PLATTER_TRY(passing.Map(at, std::min<std::uint64_t>(ours.size(), passing.virtual_size() - at)));
    const auto part = std::span(ours).first(extent.length);
    PLATTER_CHECK(passing.ReadAt(at, part));
    if (whole != nullptr && whole->ReadAt(at, std::span(theirs).first(extent.length)).ok()) {
      Promise(std::ranges::equal(part, std::span(theirs).first(extent.length)), "a pipe gives what a file gives");
    }
    at += extent.length;
  }
  return Done{};
}

void Pass(const std::shared_ptr<SparseStorage>& file) {
  constexpr std::uint64_t kMost = std::uint64_t{4} << 20;
  if (file->size() > kMost) return;
  const Pipe pipe(*file);
  const auto appliance = ova::OpenPassing(std::make_shared<ForwardStorage>("a.ova", pipe.fd()), SmallLimits());
  if (!appliance.ok()) return Told(appliance.error());
  DenyGate gate;
  OpenContext context;
  context.limits = SmallLimits();
  context.gate = &gate;
  for (std::size_t disk = 0; disk < appliance.value()->info().disks.size() && disk < kMostDisks; ++disk) {
    const auto chain = OpenWrappedChain("a.ova", *appliance.value(), disk, context);
    if (!chain.ok()) {
      Told(chain.error());
      continue;
    }
    const auto container = FindContainer("ova")->open(file, context);
    const auto whole = container.ok() ? OpenWrappedChain("a.ova", *container.value(), disk, context)
                                      : Result<OpenedChain>(Error(ErrorKind::kCorrupt, "none"));
    const std::optional<Chain> same = whole.ok() ? std::optional(whole.value().chain()) : std::nullopt;
    const auto read = ReadForwards(chain.value().chain(), same ? &*same : nullptr);
    if (!read.ok()) Told(read.error());
    break;
  }
  const auto finished = appliance.value()->Finish();
  if (!finished.ok()) Told(finished.error());
}

void Look(const std::shared_ptr<SparseStorage>& file) {
  const auto found = ProbeContainer(file);
  Promise(found.ok(), "a file in memory can be looked at");
  for (const ContainerDriver* driver : AllContainers()) Open(file, *driver);
  Pass(file);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto file = SparseStorage::FromInput(input);
  Look(file);
  if (MendTar(*file)) Look(file);
}

}  // namespace platter::fuzz
