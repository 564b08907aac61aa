#include "formats/containers/ova/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "formats/containers/ova/ova.h"
#include "formats/containers/ovf/chunks.h"
#include "formats/containers/ovf/manifest.h"
#include "formats/containers/ovf/package.h"
#include "formats/core/finding_count.h"

namespace platter::ova {
namespace {

// The plain name without its end: "box" of "./box.ovf".
std::string BaseName(std::string_view name) {
  const std::string plain = tar::PlainName(name);
  return plain.substr(0, plain.rfind('.'));
}

// What Windows makes of a plain name: letters of one case, no dots and spaces at the end, and no name of a stream.
std::string NameOnWindows(std::string_view name) {
  std::string folded;
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    std::string_view part = name.substr(0, slash);
    name.remove_prefix(std::min(slash + 1, name.size()));
    part = part.substr(0, part.find(':'));
    part = part.substr(0, part.find_last_not_of(". ") + 1);
    for (const char letter : part) folded += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    folded += '/';
  }
  return folded;
}

class OvaInspection {
 public:
  OvaInspection(const std::shared_ptr<Storage>& storage, const Limits& limits, bool whole,
                ContainerInspection& inspection)
      : storage_(storage), limits_(limits), whole_(whole), out_(inspection) {}

  // What is there of the archive is looked at before its end is missed: its disks may be arriving.
  Result<> Run() {
    auto indexed = tar::ReadIndex(*storage_, limits_, archive_.index);
    FindParts(archive_);
    out_.findings = std::move(archive_.index.findings);
    complete_ = indexed.ok();
    JudgeMembers();
    PLATTER_CHECK(LookAtDescriptor());
    if (complete_) PLATTER_CHECK(LookAtManifest());
    if (complete_ && archive_.certificate != nullptr) PLATTER_CHECK(LookAtCertificate());
    if (indexed.ok()) return Done{};
    return AsFinding("tar", tar::kFindingRules, std::move(indexed).error());
  }

 private:
  // One that is not kept, as there are many like it, lives until the next.
  Finding& Add(std::string code, Concern concern, std::string message, std::string value = "") {
    const bool kept = count_.Keeps(code, concern);
    if (!kept) not_kept_.clear();
    return ovf::AddFinding(kept ? out_.findings : not_kept_, std::move(code), concern, std::move(message),
                           std::move(value));
  }

  // What is the host's stays an error.
  Result<> AsFinding(std::string_view format, std::span<const FindingRule> rules, Error error) {
    if (error.kind() == ErrorKind::kIo) return error;
    out_.findings.push_back(FindingOf(format, rules, error));
    return Done{};
  }

  void JudgeMembers() {
    const auto& members = archive_.index.members;
    if (archive_.descriptor != nullptr && archive_.descriptor != &members.front()) {
      Add("ova.order", Concern::kNone, "the descriptor is not the first member: some programs do not find it",
          archive_.descriptor->name);
    }
    for (const tar::Member& member : members) {
      const bool expected = member.type == tar::MemberType::kFile || member.type == tar::MemberType::kSparseFile ||
                            member.type == tar::MemberType::kDevice || member.type == tar::MemberType::kPipe;
      if (expected) continue;  // or named by the index
      Add("ova.member", Concern::kUnsupported,
          fmt::format("a {} has no place in an OVA, which holds plain files", tar::TypeName(member.type)), member.name)
          .offset = member.header;
    }
  }

  Result<> LookAtDescriptor() {
    if (archive_.descriptor == nullptr) return Done{};
    auto read = FindDescriptor();
    if (!read.ok()) return AsFinding("ovf", ovf::kFindingRules, std::move(read).error());
    descriptor_ = std::move(read).value();
    ovf::JudgeDescriptor(*descriptor_, out_.findings);
    const auto disks = ovf::WrappedDisks(*descriptor_);
    for (std::size_t at = 0; at < disks.size(); ++at) LookAtDisk(descriptor_->disks[at], disks[at]);
    LookAtOtherFiles();
    if (complete_) LookForFiles();
    if (complete_) LookForNamesOnWindows();
    return Done{};
  }

  Result<std::shared_ptr<const ovf::Descriptor>> FindDescriptor() {
    const tar::Member& member = *archive_.descriptor;
    ReadBefore* before = archive_.several_descriptors ? nullptr : out_.read_before;
    const bool read = before != nullptr && before->descriptor != nullptr;
    if (read && before->offset == member.offset && before->size == member.size) return before->descriptor;
    auto descriptor = std::make_shared<const ovf::Descriptor>(PLATTER_TRY(ReadDescriptor(storage_, archive_, limits_)));
    if (before != nullptr) *before = {member.offset, member.size, descriptor};
    return std::shared_ptr<const ovf::Descriptor>(std::move(descriptor));
  }

  void LookAtDisk(const ovf::Disk& disk, const WrappedDisk& wrapped) {
    InspectedDisk& inspected = out_.disks.emplace_back(InspectedDisk{wrapped, nullptr});
    const auto name = ovf::FileOfDisk(*descriptor_, disk);
    if (name.ok()) inspected.bytes = BytesOf(*descriptor_->FindFile(disk.file), name.value());
  }

  void LookAtOtherFiles() {
    std::set<std::string_view> of_disks;
    for (const ovf::Disk& disk : descriptor_->disks) of_disks.insert(disk.file);
    for (const ovf::File& file : descriptor_->files) {
      const auto name = ovf::FileNameOf(file.href);
      if (of_disks.contains(file.id) || !name.ok()) continue;
      WrappedDisk wrapped;
      wrapped.id = file.id;
      wrapped.file = name.value();
      wrapped.compression = file.compression;
      out_.files.push_back({std::move(wrapped), BytesOf(file, name.value())});
    }
  }

  // Null where they are not here, or make no file: that is named among the files.
  std::shared_ptr<Storage> BytesOf(const ovf::File& file, const std::string& name) {
    if (file.chunk_size) {
      // How many there are is known at the archive's end.
      if (!complete_) return nullptr;
      auto whole = OpenChunks(storage_, archive_, file, name);
      return whole.ok() ? std::move(whole).value() : nullptr;
    }
    // Where there are two, which the index names, the first: the second may not have arrived yet.
    const tar::Member* member = archive_.First(name);
    if (member == nullptr) return nullptr;
    auto bytes = Open(storage_, *member);
    return bytes.ok() ? std::move(bytes).value() : nullptr;
  }

  void LookForFiles() {
    for (const ovf::File& file : descriptor_->files) {
      const auto name = ovf::FileNameOf(file.href);
      if (!name.ok()) continue;  // a finding of the descriptor
      if (HasLiteralName(archive_, file)) {
        Add("ovf.href", Concern::kAmbiguous, "some programs take the name as it stands, which is that of another file",
            file.href);
      }
      if (file.chunk_size) {
        divided_.emplace(name.value(), &file);
        LookForChunks(file, name.value());
      } else {
        whole_files_.emplace(name.value(), &file);
        LookForFile(file, name.value());
      }
    }
    for (const tar::Member& member : archive_.index.members) {
      if (IsPart(member)) continue;
      Add("ova.unreferenced", Concern::kNone, "nothing refers to the member", member.name).offset = member.header;
    }
  }

  bool IsPart(const tar::Member& member) const {
    if (&member == archive_.descriptor || &member == archive_.manifest || &member == archive_.certificate) return true;
    const std::string name = tar::PlainName(member.name);
    return whole_files_.contains(name) || divided_.contains(ovf::FileOfChunk(name));
  }

  // There the second of two such members takes the place of the first.
  void LookForNamesOnWindows() {
    std::map<std::string, std::vector<const tar::Member*>> alike;
    for (const tar::Member& member : archive_.index.members) {
      alike[NameOnWindows(tar::PlainName(member.name))].push_back(&member);
    }
    for (const auto& [folded, members] : alike) {
      const std::string name = tar::PlainName(members.front()->name);
      const auto differs = [&](const tar::Member* member) { return tar::PlainName(member->name) != name; };
      const auto counts = [&](const tar::Member* member) { return IsPart(*member); };
      if (std::ranges::none_of(members, differs) || std::ranges::none_of(members, counts)) continue;
      Add("tar.duplicate", Concern::kAmbiguous, "two members have names that are one file's on Windows",
          members.back()->name)
          .offset = members.back()->header;
    }
  }

  void LookForFile(const ovf::File& file, const std::string& name) {
    const tar::Member* member = archive_.First(name);
    if (member == nullptr) {
      Add("ova.missing_file", Concern::kCorrupt, "the descriptor refers to a file that is not in the archive",
          file.href);
    } else if (file.size && *file.size != member->size) {
      Add("ova.file_size", Concern::kNone,
          fmt::format("the file has {} bytes and not as many as is said", member->size), std::to_string(*file.size))
          .offset = member->header;
    }
  }

  void LookForChunks(const ovf::File& file, const std::string& name) {
    if (const tar::Member* member = archive_.First(name)) {
      Add("ovf.chunk", Concern::kAmbiguous, "a file is there in chunks, and as a whole", file.href).offset =
          member->header;
    }
    const auto whole = OpenChunks(storage_, archive_, file, name);
    if (!whole.ok()) out_.findings.push_back(FindingOf("ovf", ovf::kFindingRules, whole.error()));
  }

  Result<> LookAtManifest() {
    if (archive_.manifest == nullptr) return Done{};
    if (archive_.descriptor != nullptr && BaseName(archive_.manifest->name) != BaseName(archive_.descriptor->name)) {
      Add("ova.manifest_name", Concern::kNone,
          "the manifest is not called as the descriptor is: some programs pass it over", archive_.manifest->name);
    }
    auto text = ReadText(storage_, *archive_.manifest, limits_);
    if (!text.ok()) return AsFinding("ovf", ovf::kFindingRules, std::move(text).error());
    const auto entries = ovf::ParseManifest(text.value());
    if (!entries.ok()) {
      out_.findings.push_back(FindingOf("ovf", ovf::kFindingRules, entries.error()));
      return Done{};
    }
    for (const ovf::ManifestEntry& entry : entries.value()) PLATTER_CHECK(LookAtEntry(entry));
    LookForEntries(entries.value());
    if (whole_) return Done{};
    Add("ovf.digest_unchecked", Concern::kNone, "only the descriptor's digest has been compared with the manifest")
        .severity = Severity::kInfo;
    return Done{};
  }

  // What whoever relies on the manifest, or on its signature, knows nothing of.
  void LookForEntries(const std::vector<ovf::ManifestEntry>& entries) {
    std::set<std::string, std::less<>> listed;
    for (const ovf::ManifestEntry& entry : entries) listed.insert(tar::PlainName(entry.file));
    const auto look = [&](const tar::Member& member) {
      const std::string name = tar::PlainName(member.name);
      if (listed.contains(name) || listed.contains(ovf::FileOfChunk(name))) return;
      Add("ovf.unlisted", Concern::kNone, "the manifest has no digest of the file", member.name).offset = member.header;
    };
    if (archive_.descriptor != nullptr) look(*archive_.descriptor);
    for (const tar::Member& member : archive_.index.members) {
      const std::string name = tar::PlainName(member.name);
      if (whole_files_.contains(name) || divided_.contains(ovf::FileOfChunk(name))) look(member);
    }
  }

  // What an entry is of: a member, or a file in chunks as a whole. Null where there is no such thing.
  Result<std::shared_ptr<Storage>> OpenEntry(const std::string& file) {
    if (const tar::Member* member = archive_.Find(file)) return Open(storage_, *member);
    const auto divided = divided_.find(file);
    if (divided == divided_.end()) return std::shared_ptr<Storage>();
    return OpenChunks(storage_, archive_, *divided->second, file);
  }

  // The descriptor's digest is always computed; those of disks take reading all of them.
  Result<> LookAtEntry(const ovf::ManifestEntry& entry) {
    const auto bytes = OpenEntry(entry.file);
    if (!bytes.ok()) return Done{};  // named by the index, or as a chunk
    if (bytes.value() == nullptr) {
      Add("ovf.manifest_file", Concern::kCorrupt, "the manifest has a digest of a file that is not there", entry.file);
      return Done{};
    }
    const tar::Member* member = archive_.Find(entry.file);
    if (!whole_ && (member == nullptr || member != archive_.descriptor)) return Done{};
    const std::string digest = PLATTER_TRY(ovf::DigestOf(*bytes.value(), entry.algorithm));
    if (digest == entry.digest) return Done{};
    Finding& finding =
        Add("ovf.digest", Concern::kCorrupt,
            fmt::format("the file is not the one that the manifest has the {} of", ovf::DigestName(entry.algorithm)),
            entry.file);
    if (member != nullptr) finding.offset = member->offset;
    return Done{};
  }

  // A signature says something where what is signed has been compared with the files: at full depth.
  Result<> LookAtCertificate() {
    const std::string& name = archive_.certificate->name;
    if (archive_.manifest == nullptr) {
      Add("ovf.certificate", Concern::kCorrupt, "the appliance is signed, and has no manifest", name);
      return Done{};
    }
    if (!whole_) {
      Add("ovf.signature_unchecked", Concern::kNone, "the appliance is signed, and the signature is not verified",
          name);
      return Done{};
    }
    auto read = ReadSignature(storage_, archive_, limits_);
    if (!read.ok() && read.error().structure().empty()) {
      // The library is not there, or has no memory.
      Add("ovf.signature_unchecked", Concern::kUnseen, read.error().Describe(), name);
      return Done{};
    }
    if (!read.ok()) return AsFinding("ovf", ovf::kFindingRules, std::move(read).error());
    const Signature& signature = read.value();
    if (tar::PlainName(signature.manifest) != tar::PlainName(archive_.manifest->name)) {
      Add("ovf.certificate_name", Concern::kNone, "the certificate calls the manifest by another name",
          signature.manifest);
    }
    Add("ovf.signed", Concern::kNone,
        fmt::format(
            "the manifest is signed by {}; whether that is who it says has to be asked elsewhere (SHA-256 of the "
            "certificate: {})",
            signature.signer.subject, signature.signer.fingerprint),
        signature.signer.subject)
        .severity = Severity::kInfo;
    return Done{};
  }

  const std::shared_ptr<Storage>& storage_;
  const Limits& limits_;
  bool whole_;
  ContainerInspection& out_;
  Archive archive_;
  FindingCount count_;
  std::vector<Finding> not_kept_;
  bool complete_ = false;  // the archive has been read to its end
  // The descriptor's references by their plain names.
  using Files = std::map<std::string, const ovf::File*, std::less<>>;
  std::shared_ptr<const ovf::Descriptor> descriptor_;
  Files whole_files_;
  Files divided_;
};

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, bool whole,
                 ContainerInspection& inspection) {
  return OvaInspection(storage, limits, whole, inspection).Run();
}

}  // namespace platter::ova
