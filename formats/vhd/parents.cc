#include "formats/vhd/parents.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "formats/core/checked.h"
#include "formats/vhd/text.h"

namespace platter::vhd {
namespace {

// More than any path has.
constexpr std::uint32_t kMaxLocatorBytes = 65536;

// Little-endian by the specification; some writers did it the other way round. Paths begin with a letter, a dot or a
// backslash, all of which have a byte of zero.
std::string DecodeWindowsText(std::span<const std::byte> bytes) {
  const bool big = bytes.size() >= 2 && bytes[0] == std::byte{0} && bytes[1] != std::byte{0};
  return big ? Utf8FromUtf16<std::endian::big>(bytes) : Utf8FromUtf16<std::endian::little>(bytes);
}

std::string DecodeBytes(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::string(text.substr(0, text.find('\0')));
}

std::string PathOf(std::uint32_t platform, std::span<const std::byte> bytes) {
  if (platform == kPlatformMacX) return PathFromUrl(DecodeBytes(bytes));
  const bool wide = platform == kPlatformW2ru || platform == kPlatformW2ku;
  return PathFromWindows(wide ? DecodeWindowsText(bytes) : DecodeBytes(bytes));
}

Result<std::string> ReadLocator(Storage& storage, const ParentLocator& locator) {
  const bool sound =
      locator.data_length <= kMaxLocatorBytes && FitsWithin(locator.data_offset, locator.data_length, storage.size());
  if (!sound) return std::string();
  std::vector<std::byte> bytes(locator.data_length);
  PLATTER_CHECK(storage.ReadAt(locator.data_offset, bytes));
  return PathOf(locator.platform, bytes);
}

void AddPath(std::vector<Reference>& references, std::string path) {
  if (path.empty() || std::ranges::find(references, path, &Reference::text) != references.end()) return;
  // The format of a parent is always this one.
  references.push_back({Reference::Role::kBacking, std::move(path), "vpc"});
}

}  // namespace

std::string PathFromWindows(std::string_view path) {
  if (path.size() >= 2 && path[1] == ':' && std::isalpha(static_cast<unsigned char>(path[0])) != 0) {
    path.remove_prefix(2);
  }
  std::string converted(path);
  std::ranges::replace(converted, '\\', '/');
  while (converted.starts_with("./")) converted.erase(0, 2);
  return converted;
}

Result<std::vector<Reference>> ParentReferences(Storage& storage, const SparseHeader& header) {
  constexpr std::array kOrder = {kPlatformW2ru, kPlatformWi2r, kPlatformMacX, kPlatformW2ku, kPlatformWi2k};
  std::vector<Reference> references;
  for (const std::uint32_t platform : kOrder) {
    for (const ParentLocator& locator : header.locators) {
      if (locator.platform == platform) AddPath(references, PLATTER_TRY(ReadLocator(storage, locator)));
    }
  }
  AddPath(references, PathFromWindows(header.parent_name));
  const std::vector<Reference> named = references;
  for (const Reference& reference : named) AddPath(references, reference.text.substr(reference.text.rfind('/') + 1));
  return references;
}

}  // namespace platter::vhd
