#include <algorithm>
#include <cctype>
#include <utility>

#include "formats/containers/ova/ova.h"
#include "formats/containers/ovf/chunks.h"
#include "formats/core/slice_storage.h"

namespace platter::ova {
namespace {

bool EndsWith(std::string_view name, std::string_view suffix) {
  if (name.size() <= suffix.size()) return false;
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  return std::ranges::equal(name.substr(name.size() - suffix.size()), suffix, same);
}

}  // namespace

const tar::Member* Archive::First(std::string_view name) const {
  const auto found = names.find(name);
  return found == names.end() ? nullptr : &index.members[found->second.front()];
}

const tar::Member* Archive::Find(std::string_view name) const {
  const auto found = names.find(name);
  return found == names.end() || found->second.size() > 1 ? nullptr : First(name);
}

bool IsDescriptorName(std::string_view name) { return EndsWith(name, ".ovf"); }

void FindParts(Archive& archive) {
  const auto take = [&](const tar::Member*& part, const tar::Member& member) {
    if (part == nullptr) part = &member;
  };
  for (std::size_t at = 0; at < archive.index.members.size(); ++at) {
    const tar::Member& member = archive.index.members[at];
    archive.names[tar::PlainName(member.name)].push_back(at);
    if (IsDescriptorName(member.name)) {
      archive.several_descriptors = archive.several_descriptors || archive.descriptor != nullptr;
      take(archive.descriptor, member);
    }
    if (EndsWith(member.name, ".mf")) take(archive.manifest, member);
    if (EndsWith(member.name, ".cert")) take(archive.certificate, member);
  }
}

Result<std::shared_ptr<Storage>> Open(const std::shared_ptr<Storage>& storage, const tar::Member& member) {
  if (member.type != tar::MemberType::kFile) {
    return Error(ErrorKind::kUnsupported, "the member is no plain file")
        .In(storage->name())
        .At("tar header", "typeflag", member.header)
        .Found(std::string(tar::TypeName(member.type)))
        .Allowed("file");
  }
  return std::shared_ptr<Storage>(PLATTER_TRY(SliceStorage::Make(storage, member.offset, member.size)));
}

Result<std::shared_ptr<Storage>> OpenChunks(const std::shared_ptr<Storage>& storage, const Archive& archive,
                                            const ovf::File& file, const std::string& name) {
  return ovf::OpenDivided(file, name, [&](const std::string& chunk) -> Result<std::shared_ptr<Storage>> {
    const tar::Member* member = archive.First(chunk);
    if (member == nullptr) return std::shared_ptr<Storage>();
    if (archive.Find(chunk) != nullptr) return Open(storage, *member);
    return Error(ErrorKind::kCorrupt, "there are two chunks of one name")
        .In(storage->name())
        .At("OVF descriptor", "File/@chunkSize")
        .Found(chunk);
  });
}

bool HasLiteralName(const Archive& archive, const ovf::File& file) {
  const std::string literal = ovf::LiteralNameOf(file.href);
  if (literal.empty()) return false;
  return archive.First(literal) != nullptr || archive.First(ovf::ChunkName(literal, 0)) != nullptr;
}

Error LiteralNameError(const std::string& href) {
  return Error(ErrorKind::kCorrupt, "the archive has the file under its name as it stands, and as it is decoded")
      .At("OVF descriptor", "File/@href")
      .Found(href);
}

Result<std::vector<std::byte>> ReadText(const std::shared_ptr<Storage>& storage, const tar::Member& member,
                                        const Limits& limits) {
  const auto bytes = PLATTER_TRY(Open(storage, member));
  if (member.size > limits.metadata_bytes) {
    return Error(ErrorKind::kLimit, "the member is too long to be read as text")
        .In(storage->name())
        .At("tar header", "size", member.header)
        .Found(member.size)
        .Allowed("at most " + std::to_string(limits.metadata_bytes));
  }
  std::vector<std::byte> text(member.size);
  PLATTER_CHECK(bytes->ReadAt(0, text));
  return text;
}

Result<ovf::Descriptor> ReadDescriptor(const std::shared_ptr<Storage>& storage, const Archive& archive,
                                       const Limits& limits) {
  if (archive.descriptor == nullptr) {
    return Error(ErrorKind::kNotThisFormat, "not an OVA: no member is a descriptor").In(storage->name());
  }
  if (archive.several_descriptors) {
    return Error(ErrorKind::kCorrupt, "the archive has more than one descriptor")
        .In(storage->name())
        .At("OVF descriptor", "whole file");
  }
  const auto text = PLATTER_TRY(ReadText(storage, *archive.descriptor, limits));
  auto descriptor = ovf::ParseDescriptor(text, limits);
  if (descriptor.ok()) return descriptor;
  Error error = std::move(descriptor).error();
  if (error.kind() == ErrorKind::kNotThisFormat) {
    return Error(ErrorKind::kCorrupt, "the member is called a descriptor and is none")
        .In(storage->name())
        .At("OVF descriptor", "Envelope")
        .Found(archive.descriptor->name);
  }
  return std::move(error).In(storage->name());
}

Result<Signature> ReadSignature(const std::shared_ptr<Storage>& storage, const Archive& archive, const Limits& limits) {
  const auto manifest = PLATTER_TRY(ReadText(storage, *archive.manifest, limits));
  const auto text = PLATTER_TRY(ReadText(storage, *archive.certificate, limits));
  ovf::Certificate certificate = PLATTER_TRY(ovf::ParseCertificate(text));
  ovf::Signer signer = PLATTER_TRY(ovf::VerifySignature(certificate, manifest));
  return Signature{certificate.algorithm, std::move(certificate.manifest), std::move(signer)};
}

}  // namespace platter::ova
