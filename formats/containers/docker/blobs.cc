#include "formats/containers/docker/blobs.h"

#include <cerrno>
#include <utility>

#include "formats/containers/docker/manifest.h"
#include "formats/core/slice_storage.h"

namespace platter::docker {
namespace {

constexpr int kMostLinks = 8;

Error LeadsOut(std::string_view name, std::string_view file) {
  return Error(ErrorKind::kDenied, "a name leads out of the image")
      .In(std::string(file))
      .At("file name", "name")
      .Found(std::string(name.substr(0, 256)));
}

// The name with its ".." taken out; "" where they lead out.
std::string Resolved(std::string_view name) {
  std::vector<std::string_view> parts;
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, slash);
    name.remove_prefix(std::min(slash + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return {};
    } else {
      parts.pop_back();
    }
  }
  std::string resolved;
  for (const std::string_view part : parts) {
    if (!resolved.empty()) resolved += '/';
    resolved += part;
  }
  return resolved;
}

}  // namespace

ArchiveBlobs::ArchiveBlobs(std::shared_ptr<Storage> archive, const tar::Index& index, bool complete)
    : archive_(std::move(archive)), index_(index), complete_(complete) {
  for (std::size_t at = 0; at < index_.members.size(); ++at) {
    names_.try_emplace(tar::PlainName(index_.members[at].name), at);
  }
}

const tar::Member* ArchiveBlobs::Find(std::string_view plain_name) const {
  const auto found = names_.find(plain_name);
  return found == names_.end() ? nullptr : &index_.members[found->second];
}

std::string LinkTarget(const tar::Member& link) {
  if (link.link.starts_with('/') || link.link.find('\\') != std::string::npos) return {};
  if (link.type == tar::MemberType::kHardLink) return Resolved(link.link);
  const std::string name = tar::PlainName(link.name);
  const std::size_t slash = name.rfind('/');
  return Resolved(slash == std::string::npos ? link.link : name.substr(0, slash + 1) + link.link);
}

Result<std::shared_ptr<Storage>> ArchiveBlobs::Open(std::string_view name) {
  if (tar::LeadsOut(name)) return LeadsOut(name, archive_->name());
  std::string plain = tar::PlainName(name);
  for (int links = 0; links <= kMostLinks; ++links) {
    const tar::Member* member = Find(plain);
    if (member == nullptr) return std::shared_ptr<Storage>();
    if (member->type == tar::MemberType::kFile) {
      return std::shared_ptr<Storage>(PLATTER_TRY(SliceStorage::Make(archive_, member->offset, member->size)));
    }
    const bool link = member->type == tar::MemberType::kSymbolicLink || member->type == tar::MemberType::kHardLink;
    if (!link) {
      return Error(ErrorKind::kUnsupported, "the member is no plain file")
          .In(archive_->name())
          .At("tar header", "typeflag", member->header)
          .Found(std::string(tar::TypeName(member->type)))
          .Allowed("file");
    }
    plain = LinkTarget(*member);
    if (plain.empty()) return LeadsOut(member->link, archive_->name());
  }
  return Error(ErrorKind::kCorrupt, "links lead from one to another")
      .In(archive_->name())
      .At("file name", "link")
      .Found(std::string(name.substr(0, 256)));
}

Result<std::shared_ptr<Storage>> FolderBlobs::Open(std::string_view name) {
  if (name == kIndexJson) return index_;
  if (tar::LeadsOut(name)) return LeadsOut(name, index_->name());
  // A colon in the name makes it no protocol.
  auto opened = gate_.Open({Reference::Role::kExtentFile, "./" + std::string(name), ""}, index_->name());
  if (!opened.ok() && opened.error().os_error() == ENOENT) return std::shared_ptr<Storage>();
  return opened;
}

}  // namespace platter::docker
