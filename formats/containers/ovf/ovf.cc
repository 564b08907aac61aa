// The driver of bare descriptors: the files lie beside it.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "formats/containers/container.h"
#include "formats/containers/ovf/chunks.h"
#include "formats/containers/ovf/descriptor.h"
#include "formats/containers/ovf/machine.h"
#include "formats/containers/ovf/package.h"
#include "formats/containers/ovf/writer.h"
#include "formats/core/reference.h"

namespace platter::ovf {
namespace {

Result<Descriptor> ReadDescriptor(Storage& storage, const Limits& limits) {
  std::vector<std::byte> head(std::min<std::uint64_t>(storage.size(), ProbeInput::kHead));
  PLATTER_CHECK(storage.ReadAt(0, head));
  if (!LooksLikeDescriptor(head)) return Error(ErrorKind::kNotThisFormat, "not an OVF descriptor").In(storage.name());
  if (storage.size() > limits.metadata_bytes) {
    return Error(ErrorKind::kLimit, "the descriptor is too long")
        .In(storage.name())
        .At("OVF descriptor", "whole file")
        .Found(storage.size());
  }
  std::vector<std::byte> text(storage.size());
  PLATTER_CHECK(storage.ReadAt(0, text));
  auto descriptor = ParseDescriptor(text, limits);
  if (!descriptor.ok()) return std::move(descriptor).error().In(storage.name());
  return descriptor;
}

class Folder : public Container {
 public:
  Folder(Descriptor descriptor, std::string name, ReferenceGate& gate)
      : descriptor_(std::move(descriptor)), name_(std::move(name)), gate_(gate) {
    info_.disks = WrappedDisks(descriptor_);
    info_.further = DetailOf(descriptor_);
  }

  const ContainerInfo& info() const noexcept override { return info_; }

  Result<std::shared_ptr<Storage>> OpenDisk(std::size_t disk) override {
    const Disk& wanted = descriptor_.disks[disk];
    auto name = FileOfDisk(descriptor_, wanted);
    if (!name.ok()) return std::move(name).error().In(name_);
    const File& file = *descriptor_.FindFile(wanted.file);
    if (HasLiteralName(file)) {
      return Error(ErrorKind::kCorrupt, "the file is there under its name as it stands, and as it is decoded")
          .In(name_)
          .At("OVF descriptor", "File/@href")
          .Found(file.href);
    }
    auto stored = file.chunk_size ? OpenChunks(file, name.value()) : OpenFile(name.value());
    if (!stored.ok()) return std::move(stored).error().In(name_);
    return Decompressed(std::move(stored).value(), info_.disks[disk]);
  }

 private:
  Result<std::shared_ptr<Storage>> OpenFile(const std::string& name) {
    // A colon in the name makes it no protocol.
    return gate_.Open({Reference::Role::kExtentFile, "./" + name, ""}, name_);
  }

  bool HasLiteralName(const File& file) {
    const std::string literal = LiteralNameOf(file.href);
    if (literal.empty()) return false;
    return OpenFile(literal).ok() || OpenFile(ChunkName(literal, 0)).ok();
  }

  Result<std::shared_ptr<Storage>> OpenChunks(const File& file, const std::string& name) {
    return OpenDivided(file, name, [&](const std::string& chunk) -> Result<std::shared_ptr<Storage>> {
      auto opened = OpenFile(chunk);
      if (!opened.ok() && opened.error().os_error() == ENOENT) return std::shared_ptr<Storage>();
      return opened;
    });
  }

  Descriptor descriptor_;
  std::string name_;
  ReferenceGate& gate_;
  ContainerInfo info_;
};

Likeness Probe(const ProbeInput& input) noexcept {
  return LooksLikeDescriptor(input.head) ? Likeness::kCertain : Likeness::kNo;
}

Result<std::unique_ptr<Container>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  // Nothing keeps it: all of it is in the descriptor.
  const std::shared_ptr<Storage> file = std::move(storage);
  Descriptor descriptor = PLATTER_TRY(ReadDescriptor(*file, context.limits));
  return std::unique_ptr<Container>(std::make_unique<Folder>(std::move(descriptor), file->name(), *context.gate));
}

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, bool /*whole*/,
                 ContainerInspection& inspection) {
  const Descriptor descriptor = PLATTER_TRY(ReadDescriptor(*storage, limits));
  JudgeDescriptor(descriptor, inspection.findings);
  for (WrappedDisk& disk : WrappedDisks(descriptor)) {
    if (!disk.file.empty()) {
      AddFinding(inspection.findings, "ovf.file", Concern::kReference, "a disk lies in another file", disk.file);
    }
    inspection.disks.push_back({std::move(disk), nullptr});
  }
  return Done{};
}

}  // namespace

extern const ContainerDriver kDriver;
const ContainerDriver kDriver = {
    .name = "ovf",
    .title = "Open Virtualization Format (a descriptor and its files)",
    .probe = Probe,
    .open = Open,
    .inspect = Inspect,
    .finding_rules = kFindingRules,
    .new_disk_format = "vmdk",
    .create = CreateFolder,
    .create_options = kCreateOptionSpecs,
    .files_beside = FilesBeside,
};

}  // namespace platter::ovf
