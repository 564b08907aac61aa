// The parent locator: where the parent of a differencing disk may be, and how it is known (2.6.2.6).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "formats/vhdx/guid.h"

namespace platter::vhdx {

inline constexpr std::string_view kParentLinkage = "parent_linkage";
inline constexpr std::string_view kParentLinkage2 = "parent_linkage2";
inline constexpr std::string_view kRelativePath = "relative_path";
inline constexpr std::string_view kVolumePath = "volume_path";
inline constexpr std::string_view kAbsolutePath = "absolute_win32_path";

struct ParentLocator {
  std::vector<std::pair<std::string, std::string>> pairs;  // key and value as written, in UTF-8

  std::optional<std::string_view> Find(std::string_view key) const;
  // The parent's DataWriteGuid, and the other one that it may have; empty where it is not said.
  std::optional<Guid> linkage() const;
  std::optional<Guid> linkage2() const;
  // The parent's file names for this host, most promising first: the relative path, the absolute ones without volume or
  // drive, and the bare name in the child's folder.
  std::vector<std::string> Paths() const;
};

// `host_offset`: of the locator, for messages. kUnsupported for another type of locator; kCorrupt for pairs that leave
// it, stand there twice, and for one that names no parent or no linkage.
Result<ParentLocator> ParseParentLocator(std::span<const std::byte> bytes, std::uint64_t host_offset);
std::vector<std::byte> SerializeParentLocator(const ParentLocator& locator);

// For a parent known by `path`, a name of this host as the user wrote it: relative names as such, absolute ones too.
ParentLocator MakeParentLocator(std::string_view path, const Guid& linkage);

}  // namespace platter::vhdx
