// The driver of OVA.
#include "formats/containers/ova/ova.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/containers/container.h"
#include "formats/containers/ova/inspect.h"
#include "formats/containers/ova/writer.h"
#include "formats/containers/ovf/machine.h"
#include "formats/containers/ovf/package.h"
#include "formats/containers/tar/header.h"
#include "formats/core/checked.h"

namespace platter::ova {
namespace {

class Appliance : public Container {
 public:
  Appliance(std::shared_ptr<Storage> storage, Archive archive, ovf::Descriptor descriptor)
      : storage_(std::move(storage)), archive_(std::move(archive)), descriptor_(std::move(descriptor)) {
    for (const tar::Member& member : archive_.index.members) {
      info_.members.push_back({tar::PlainName(member.name), tar::TypeName(member.type), member.offset, member.size});
    }
    info_.disks = ovf::WrappedDisks(descriptor_);
    for (WrappedDisk& disk : info_.disks) {
      if (const tar::Member* member = archive_.Find(disk.file)) disk.stored_size = member->size;
    }
    info_.further = ovf::DetailOf(descriptor_);
    info_.further.Add("manifest", archive_.manifest != nullptr).Add("certificate", archive_.certificate != nullptr);
  }

  const ContainerInfo& info() const noexcept override { return info_; }

  // Whether the signature fits, for whoever wants to be told.
  void DescribeSignature(const Limits& limits) {
    if (archive_.certificate == nullptr || archive_.manifest == nullptr) return;
    const auto read = ReadSignature(storage_, archive_, limits);
    Detail detail;
    detail.Add("intact", read.ok());
    if (read.ok()) {
      detail.Add("algorithm", ovf::DigestName(read.value().algorithm));
      detail.Add("subject", read.value().signer.subject).Add("issuer", read.value().signer.issuer);
      detail.Add("fingerprint", read.value().signer.fingerprint);
    } else {
      detail.Add("error", read.error().what());
    }
    info_.further.Add("signature", std::move(detail));
  }

  Result<std::shared_ptr<Storage>> OpenDisk(std::size_t disk) override {
    const ovf::Disk& wanted = descriptor_.disks[disk];
    auto name = ovf::FileOfDisk(descriptor_, wanted);
    if (!name.ok()) return std::move(name).error().In(storage_->name());
    const ovf::File& file = *descriptor_.FindFile(wanted.file);
    if (HasLiteralName(archive_, file)) {
      return LiteralNameError(file.href).In(storage_->name());
    }
    auto stored = file.chunk_size ? OpenChunks(storage_, archive_, file, name.value()) : OpenFile(name.value());
    if (!stored.ok()) return std::move(stored).error().In(storage_->name());
    return ovf::Decompressed(std::move(stored).value(), info_.disks[disk]);
  }

 private:
  Result<std::shared_ptr<Storage>> OpenFile(const std::string& name) {
    if (const tar::Member* member = archive_.Find(name)) return Open(storage_, *member);
    return Error(ErrorKind::kCorrupt, "the disk's file is not in the archive, or there are two of its name")
        .At("OVF descriptor", "File/@href")
        .Found(name);
  }

  std::shared_ptr<Storage> storage_;
  Archive archive_;
  ovf::Descriptor descriptor_;
  ContainerInfo info_;
};

// Whether `block` is a header in front of a member, with a long name in the text behind it that is a descriptor's.
bool AnnouncesDescriptor(std::span<const std::byte, tar::kBlock> block, std::span<const std::byte> behind) noexcept {
  const char type = static_cast<char>(std::to_integer<unsigned char>(block[tar::kTypeAt]));
  const auto size = tar::ParseNumber(tar::kSize.Raw(block));
  if ((type != tar::kTypePax && type != tar::kTypeGnuName) || !size || *size > behind.size()) return false;
  const std::string_view text(reinterpret_cast<const char*>(behind.data()), *size);
  return text.find(".ovf\n") != text.npos || text.ends_with(std::string_view(".ovf\0", 5));
}

// Of an archive's beginning: certain where a member that starts there is called a descriptor.
Likeness Probe(const ProbeInput& input) noexcept {
  if (input.head.size() < tar::kBlock || !tar::ChecksumFits(input.head.first<tar::kBlock>())) return Likeness::kNo;
  for (std::uint64_t at = 0; at + tar::kBlock <= input.head.size();) {
    const auto block = input.head.subspan(at).first<tar::kBlock>();
    const auto size = tar::ParseNumber(tar::kSize.Raw(block));
    if (!tar::ChecksumFits(block) || !size) break;
    if (IsDescriptorName(tar::kName.Text(block)) || AnnouncesDescriptor(block, input.head.subspan(at + tar::kBlock))) {
      return Likeness::kCertain;
    }
    if (*size > input.head.size()) break;
    at += tar::kBlock + AlignUp(*size, tar::kBlock);
  }
  return Likeness::kMaybe;
}

Result<std::unique_ptr<Container>> OpenContainer(std::shared_ptr<Storage> storage, const OpenContext& context) {
  Archive archive;
  PLATTER_CHECK(tar::ReadIndex(*storage, context.limits, archive.index));
  FindParts(archive);
  ovf::Descriptor descriptor = PLATTER_TRY(ReadDescriptor(storage, archive, context.limits));
  auto appliance = std::make_unique<Appliance>(std::move(storage), std::move(archive), std::move(descriptor));
  if (!context.contents) appliance->DescribeSignature(context.limits);
  return std::unique_ptr<Container>(std::move(appliance));
}

}  // namespace

extern const ContainerDriver kDriver;
const ContainerDriver kDriver = {
    .name = "ova",
    .title = "Open Virtualization Format (an appliance in one archive)",
    .probe = Probe,
    .open = OpenContainer,
    .inspect = Inspect,
    .finding_rules = ovf::kFindingRules,
    .new_disk_format = "vmdk",
    .create = CreateArchive,
    .create_options = ovf::kCreateOptionSpecs,
};

}  // namespace platter::ova
