#include "formats/vhdx/parent_locator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/core/checked.h"
#include "formats/vhdx/layout.h"
#include "formats/vhdx/utf16.h"

namespace platter::vhdx {
namespace {

Error LocatorError(ErrorKind kind, std::string what, std::string field, std::uint64_t offset) {
  return Error(kind, std::move(what)).At("parent locator", std::move(field), offset);
}

std::string WithSlashes(std::string_view path) {
  std::string out(path);
  std::ranges::replace(out, '\\', '/');
  return out;
}

// "c:/a/b" and "//?/c:/a/b" give "/a/b", "//?/Volume{...}/a" gives "/a"; "" for a network share.
std::string WithoutVolume(std::string path) {
  const bool long_form = path.starts_with("//?/") || path.starts_with("//./");
  if (long_form) path.erase(0, 4);
  if (path.size() >= 2 && path[1] == ':') return path.substr(2);
  if (long_form) {
    const std::size_t slash = path.find('/');
    return slash == std::string::npos || !path.starts_with("Volume{") ? "" : path.substr(slash);
  }
  return path.starts_with("//") ? "" : path;
}

std::string BareName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

void AddPath(std::vector<std::string>& paths, std::string path) {
  // What looks like a protocol is a file's name here.
  const std::size_t stop = path.find_first_of(":/");
  if (stop != std::string::npos && path[stop] == ':') path.insert(0, "./");
  if (path.empty() || path.ends_with('/') || std::ranges::count(paths, path) != 0) return;
  paths.push_back(std::move(path));
}

std::string RelativeForHost(std::string_view value) {
  std::string path = WithSlashes(value);
  while (path.starts_with("./")) path.erase(0, 2);
  return path;
}

Result<std::string> TextAt(std::span<const std::byte> bytes, std::uint64_t offset, std::uint64_t length,
                           const std::string& field, std::uint64_t host_offset) {
  if (!FitsWithin(offset, length, bytes.size()) || length % 2 != 0) {
    return LocatorError(ErrorKind::kCorrupt, "text lies outside the parent locator", field, host_offset)
        .Found(fmt::format("{} bytes at {}", length, offset))
        .Allowed(fmt::format("an even number of bytes inside its {}", bytes.size()));
  }
  return Utf8FromUtf16(bytes.subspan(offset, length));
}

Result<> CheckMeaning(const ParentLocator& locator, std::uint64_t host_offset) {
  if (!locator.linkage()) {
    return LocatorError(ErrorKind::kCorrupt, "the parent's identity is missing or no GUID", std::string(kParentLinkage),
                        host_offset)
        .Found(std::string(locator.Find(kParentLinkage).value_or("nothing")))
        .Allowed("a GUID");
  }
  if (!locator.Paths().empty()) return Done{};
  return LocatorError(ErrorKind::kCorrupt, "the parent locator names no file", "paths", host_offset)
      .Allowed("relative_path, volume_path or absolute_win32_path");
}

}  // namespace

std::optional<std::string_view> ParentLocator::Find(std::string_view key) const {
  const auto found = std::ranges::find(pairs, key, &std::pair<std::string, std::string>::first);
  return found == pairs.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<Guid> ParentLocator::linkage() const { return Guid::Parse(Find(kParentLinkage).value_or("")); }

std::optional<Guid> ParentLocator::linkage2() const { return Guid::Parse(Find(kParentLinkage2).value_or("")); }

std::vector<std::string> ParentLocator::Paths() const {
  std::vector<std::string> paths;
  const std::array absolute = {Find(kVolumePath), Find(kAbsolutePath)};
  if (const auto relative = Find(kRelativePath)) AddPath(paths, RelativeForHost(*relative));
  for (const auto& path : absolute) {
    if (path) AddPath(paths, WithoutVolume(WithSlashes(*path)));
  }
  for (const auto& path : absolute) {
    if (path) AddPath(paths, BareName(WithSlashes(*path)));
  }
  return paths;
}

Result<ParentLocator> ParseParentLocator(std::span<const std::byte> bytes, std::uint64_t host_offset) {
  if (bytes.size() < ParentLocatorLayout::kSize) {
    return LocatorError(ErrorKind::kCorrupt, "parent locator is cut short", "whole", host_offset)
        .Found(bytes.size())
        .Allowed("at least 20 bytes");
  }
  const Guid type = Guid::Load(bytes.data() + ParentLocatorLayout::kType);
  if (type != kVhdxLocatorType) {
    return LocatorError(ErrorKind::kUnsupported, "unknown type of parent locator", "locator_type", host_offset)
        .Found(type.Text())
        .Allowed(kVhdxLocatorType.Text());
  }
  const RecordView<ParentLocatorLayout> head(bytes.first<ParentLocatorLayout::kSize>());
  const std::size_t count = head.Get<ParentLocatorLayout::kPairCount>();
  if (count > (bytes.size() - ParentLocatorLayout::kSize) / ParentLocatorPair::kSize) {
    return LocatorError(ErrorKind::kCorrupt, "more entries than the parent locator has room for", "key_value_count",
                        host_offset + ParentLocatorLayout::kPairCount.offset)
        .Found(count);
  }
  ParentLocator locator;
  for (std::size_t index = 0; index < count; ++index) {
    const std::size_t at = ParentLocatorLayout::kSize + index * ParentLocatorPair::kSize;
    const RecordView<ParentLocatorPair> pair(bytes.subspan(at).first<ParentLocatorPair::kSize>());
    const std::string field = fmt::format("entry {}", index);
    auto key = PLATTER_TRY(TextAt(bytes, pair.Get<ParentLocatorPair::kKeyOffset>(),
                                  pair.Get<ParentLocatorPair::kKeyLength>(), field, host_offset + at));
    auto value = PLATTER_TRY(TextAt(bytes, pair.Get<ParentLocatorPair::kValueOffset>(),
                                    pair.Get<ParentLocatorPair::kValueLength>(), field, host_offset + at));
    if (locator.Find(key)) {
      return LocatorError(ErrorKind::kCorrupt, "key stands there twice", field, host_offset + at).Found(key);
    }
    locator.pairs.emplace_back(std::move(key), std::move(value));
  }
  PLATTER_CHECK(CheckMeaning(locator, host_offset));
  return locator;
}

std::vector<std::byte> SerializeParentLocator(const ParentLocator& locator) {
  std::vector<std::byte> bytes(ParentLocatorLayout::kSize + locator.pairs.size() * ParentLocatorPair::kSize);
  kVhdxLocatorType.Store(bytes.data() + ParentLocatorLayout::kType);
  ParentLocatorLayout::kPairCount.Encode(bytes.data(), static_cast<std::uint16_t>(locator.pairs.size()));
  for (std::size_t index = 0; index < locator.pairs.size(); ++index) {
    const std::vector<std::byte> key = Utf16FromUtf8(locator.pairs[index].first);
    const std::vector<std::byte> value = Utf16FromUtf8(locator.pairs[index].second);
    std::byte* pair = bytes.data() + ParentLocatorLayout::kSize + index * ParentLocatorPair::kSize;
    ParentLocatorPair::kKeyOffset.Encode(pair, static_cast<std::uint32_t>(bytes.size()));
    ParentLocatorPair::kValueOffset.Encode(pair, static_cast<std::uint32_t>(bytes.size() + key.size()));
    ParentLocatorPair::kKeyLength.Encode(pair, static_cast<std::uint16_t>(key.size()));
    ParentLocatorPair::kValueLength.Encode(pair, static_cast<std::uint16_t>(value.size()));
    bytes.insert(bytes.end(), key.begin(), key.end());
    bytes.insert(bytes.end(), value.begin(), value.end());
  }
  return bytes;
}

ParentLocator MakeParentLocator(std::string_view path, const Guid& linkage) {
  std::string windows(path);
  std::ranges::replace(windows, '/', '\\');
  ParentLocator locator;
  locator.pairs.emplace_back(kParentLinkage, fmt::format("{{{}}}", linkage.Text()));
  if (path.starts_with('/')) {
    locator.pairs.emplace_back(kAbsolutePath, std::move(windows));
  } else {
    locator.pairs.emplace_back(kRelativePath, path.starts_with("..") ? windows : ".\\" + windows);
  }
  return locator;
}

}  // namespace platter::vhdx
