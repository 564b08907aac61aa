#include "formats/core/reference.h"

#include <fmt/format.h>

namespace platter {
namespace {

// "nbd" of "nbd://host/", "" of "a/b:c" and "/x:y": a protocol stands before the first colon, and no slash before it.
std::string_view Protocol(std::string_view name) {
  const std::size_t stop = name.find_first_of(":/");
  if (stop == std::string_view::npos || name[stop] != ':') return {};
  return name.substr(0, stop);
}

}  // namespace

Result<std::string> LocalPath(std::string_view name) {
  if (name.empty()) return Error(ErrorKind::kInvalid, "empty file name");
  const std::string_view protocol = Protocol(name);
  if (protocol.empty()) return std::string(name);
  if (protocol == "file") return std::string(name.substr(protocol.size() + 1));
  return Error(ErrorKind::kUnsupported, fmt::format("file names of the kind '{}:' are not supported", protocol))
      .Found(std::string(name))
      .Allowed("a local path; put ./ in front of a name that contains a colon");
}

Result<std::string> ResolveReference(std::string_view reference, std::string_view referrer) {
  auto path = LocalPath(reference);
  const std::size_t slash = referrer.rfind('/');
  const bool whole = !Protocol(reference).empty() || reference.starts_with('/') || slash == std::string_view::npos;
  if (!path.ok() || whole) return path;
  return fmt::format("{}{}", referrer.substr(0, slash + 1), path.value());
}

Result<std::string> ResolveReference(const Reference& reference, std::string_view referrer) {
  if (reference.role == Reference::Role::kDataFile) return LocalPath(reference.text);
  return ResolveReference(reference.text, referrer);
}

Result<std::shared_ptr<Storage>> DenyGate::Open(const Reference& wanted, const std::string& referrer) {
  return Error(ErrorKind::kDenied, "the image refers to another file, which is not allowed here")
      .Found(wanted.text)
      .In(referrer);
}

Result<std::shared_ptr<Storage>> LocalGate::Open(const Reference& wanted, const std::string& referrer) {
  const std::string path = PLATTER_TRY(ResolveReference(wanted, referrer));
  FileMode mode = mode_;
  if (wanted.role == Reference::Role::kBacking) mode.access = FileMode::Access::kRead;
  return std::shared_ptr<Storage>(PLATTER_TRY(FileStorage::Open(path, mode)));
}

}  // namespace platter
