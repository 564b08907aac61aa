// OVA: an appliance in one tar archive. DSP0243 wants the descriptor first, then manifest and certificate, then the
// files; readers take other orders, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/containers/ovf/certificate.h"
#include "formats/containers/ovf/descriptor.h"
#include "formats/containers/tar/index.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::ova {

// An archive as far as it has been read.
struct Archive {
  tar::Index index;
  const tar::Member* descriptor = nullptr;  // in `index`
  const tar::Member* manifest = nullptr;
  const tar::Member* certificate = nullptr;
  bool several_descriptors = false;
  std::map<std::string, std::vector<std::size_t>, std::less<>> names;  // plain names: which members

  // The first member of that name; null when there is none.
  const tar::Member* First(std::string_view name) const;
  // The only one; null when there is none, and when there are two.
  const tar::Member* Find(std::string_view name) const;
};

bool IsDescriptorName(std::string_view name);

// Fills in what stands for what in archive.index. The archive may be moved afterwards, and not copied.
void FindParts(Archive& archive);

// The member's bytes, where they lie. kUnsupported for anything but a plain file.
Result<std::shared_ptr<Storage>> Open(const std::shared_ptr<Storage>& storage, const tar::Member& member);

// A divided file, as ovf::OpenDivided; kCorrupt for two chunks of one name. Requires: file.chunk_size.
Result<std::shared_ptr<Storage>> OpenChunks(const std::shared_ptr<Storage>& storage, const Archive& archive,
                                            const ovf::File& file, const std::string& name);

// Whether the archive has the file under the name that its href is as it stands, too.
bool HasLiteralName(const Archive& archive, const ovf::File& file);
Error LiteralNameError(const std::string& href);

// kCorrupt, kLimit, kIo and ovf::ParseDescriptor's.
Result<ovf::Descriptor> ReadDescriptor(const std::shared_ptr<Storage>& storage, const Archive& archive,
                                       const Limits& limits);
// All of a member that is text. kLimit.
Result<std::vector<std::byte>> ReadText(const std::shared_ptr<Storage>& storage, const tar::Member& member,
                                        const Limits& limits);

// A signature of the archive's manifest that fits.
struct Signature {
  ovf::DigestAlgorithm algorithm = ovf::DigestAlgorithm::kSha256;
  std::string manifest;  // as the certificate calls it
  ovf::Signer signer;
};
// Requires: archive.manifest and archive.certificate. As ReadText, ovf::ParseCertificate and ovf::VerifySignature.
Result<Signature> ReadSignature(const std::shared_ptr<Storage>& storage, const Archive& archive, const Limits& limits);

}  // namespace platter::ova
