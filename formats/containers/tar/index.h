// The index of a tar archive: where every member lies. Nothing is unpacked, and no name leads anywhere.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/finding.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::tar {

enum class MemberType : std::uint8_t {
  kFile,
  kSparseFile,  // of GNU tar: the stored bytes are not the file's
  kFolder,
  kHardLink,
  kSymbolicLink,
  kDevice,
  kPipe,
  kOther,
};
std::string_view TypeName(MemberType type) noexcept;  // "file", "sparse file", "folder", ...
// Of a header's type; `name`: the member's, with long names put in their place.
MemberType TypeOf(char type, std::string_view name) noexcept;
// Whether the header's size counts bytes behind it: of links, folders and the like it says nothing.
bool HasContent(MemberType type) noexcept;

// Bytes of an extended header: no path that an operating system takes is as long.
inline constexpr std::uint64_t kMostExtended = std::uint64_t{1} << 20;

struct Member {
  std::string name;  // as written, with long names put in their place: untrusted
  std::string link;  // of links: where to, as written
  MemberType type = MemberType::kFile;
  std::uint64_t header = 0;  // host byte of its header
  std::uint64_t offset = 0;  // host byte of its content
  std::uint64_t size = 0;    // bytes of its content
};

// What ReadIndex's errors are called in an inspection, behind "tar.".
inline constexpr std::array kFindingRules = {
    FindingRule{"tar header", "size", "size", Concern::kTruncated, ""},
    FindingRule{"tar header", "typeflag", "type", Concern::kCorrupt, ""},
    FindingRule{"tar header", "", "header", Concern::kCorrupt, ""},
    FindingRule{"tar pax header", "", "pax_header", Concern::kCorrupt, ""},
    FindingRule{"tar members", "", "members", Concern::kCorrupt, ""},
};

struct Index {
  std::vector<Member> members;  // in the archive's order
  // What makes the archive unsafe to unpack, or two programs see two archives: codes tar.*. The first of each code and
  // concern, as FindingCount has it.
  std::vector<Finding> findings;
  std::uint64_t end = 0;  // host byte behind the last member and the end's mark
};

// Whether a link is one that the archive's format makes, wherever it leads. null: none is.
using AllowsLink = std::function<bool(const Member&)>;

// Adds to `index` what is in `archive`; what was found before an error stays there. Reads headers, and what follows the
// archive's end. kNotThisFormat when the first block is no header; kCorrupt for a header that makes no sense and for a
// member that reaches past the archive's end; kLimit when names take more than limits.metadata_bytes; kIo.
Result<> ReadIndex(Storage& archive, const Limits& limits, Index& index, const AllowsLink& allows_link = {});

// A name without "./" and doubled slashes: two that are then equal are one file to whoever unpacks them.
std::string PlainName(std::string_view name);
// Whether unpacking to this name, or through this link, could reach out of the folder: absolute, with "..", with a
// drive or a backslash.
bool LeadsOut(std::string_view name) noexcept;

}  // namespace platter::tar
