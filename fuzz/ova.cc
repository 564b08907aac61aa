// An appliance in an archive: opened, and its disks as far as they open. No other file is.
#include <algorithm>
#include <array>

#include "formats/container_table.h"
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

void Look(const std::shared_ptr<SparseStorage>& file) {
  const auto found = ProbeContainer(file);
  Promise(found.ok(), "a file in memory can be looked at");
  for (const ContainerDriver* driver : AllContainers()) Open(file, *driver);
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto file = SparseStorage::FromInput(input);
  Look(file);
  if (MendTar(*file)) Look(file);
}

}  // namespace platter::fuzz
