#include "formats/core/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

namespace platter {
namespace {

// "nbd" of "nbd://host/", "" of "a/b:c" and "/x:y": a protocol stands before the first colon, and no slash before it.
std::string_view Protocol(std::string_view name) {
  const std::size_t stop = name.find_first_of(":/");
  if (stop == std::string_view::npos || name[stop] != ':') return {};
  return name.substr(0, stop);
}

bool EndsWith(std::string_view name, std::string_view suffix) {
  if (name.size() <= suffix.size()) return false;
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  return std::ranges::equal(name.substr(name.size() - suffix.size()), suffix, same);
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

Result<std::vector<std::string>> ReferenceGate::List(const std::string& folder, std::string_view /*suffix*/,
                                                     const std::string& referrer, std::uint32_t /*most*/) {
  return Error(ErrorKind::kDenied, "the image refers to another file, which may not be looked for here")
      .Found(folder)
      .In(referrer);
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

Result<std::vector<std::string>> LocalGate::List(const std::string& folder, std::string_view suffix,
                                                 const std::string& referrer, std::uint32_t most) {
  const std::string path = PLATTER_TRY(ResolveReference(folder, referrer));
  std::error_code failure;
  std::vector<std::string> names;
  std::uint32_t passed = 0;
  auto entry = std::filesystem::directory_iterator(path, failure);
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    if (++passed > most) {
      return Error(ErrorKind::kLimit, "too many files to look through").In(path).Allowed(fmt::format("{} names", most));
    }
    const std::string name = entry->path().filename().string();
    std::error_code unknown;
    if (EndsWith(name, suffix) && entry->is_regular_file(unknown)) names.push_back(fmt::format("{}/{}", folder, name));
  }
  if (failure) return Error::FromErrno(failure.value(), "cannot list the folder").In(path);
  std::ranges::sort(names);
  return names;
}

}  // namespace platter
