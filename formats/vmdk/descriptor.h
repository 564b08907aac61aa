// The descriptor of a VMDK: a short text that says what the disk consists of, in a file of its own or inside a sparse
// extent (section "The Descriptor File"). Pure: text in, values out, and back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"

namespace platter::vmdk {

enum class Access : std::uint8_t { kReadWrite, kReadOnly, kNone };

enum class ExtentType : std::uint8_t {
  kFlat,
  kSparse,
  kZero,
  kVmfs,
  kVmfsSparse,
  kVmfsRdm,
  kVmfsRaw,
  kSeSparse,
  kOther,  // what this list does not know; ExtentLine::other_type is its name
};

// The name as it stands in a descriptor: "SPARSE"; "" for kOther.
std::string_view ExtentTypeName(ExtentType type) noexcept;

// One line of the extent description: RW 4192256 SPARSE "disk-s001.vmdk" 0
struct ExtentLine {
  Access access = Access::kReadWrite;
  std::uint64_t sectors = 0;  // of the guest disk
  ExtentType type = ExtentType::kSparse;
  std::string file = {};                     // in the descriptor's encoding; "" for kZero
  std::optional<std::uint64_t> offset = {};  // sectors into the file where the extent's bytes start; flat ones only
  std::string other_type = {};
};

inline constexpr std::uint32_t kNoParent = 0xFFFFFFFF;  // Descriptor::parent_cid of a disk without a parent

struct Descriptor {
  std::uint32_t version = 1;
  std::string encoding = {};  // of the file names; "" where the descriptor does not say
  std::uint32_t cid = kNoParent;
  std::uint32_t parent_cid = kNoParent;
  std::string create_type = {};
  std::optional<std::string> parent_hint = {};  // parentFileNameHint, in `encoding`
  std::string change_track_path = {};           // "" for none
  std::vector<ExtentLine> extents = {};
  // The disk data base, in order, keys as they stand: "ddb.adapterType".
  std::vector<std::pair<std::string, std::string>> ddb = {};

  // The value of `key`, in any case; null when it is not there. Borrowed.
  const std::string* FindDdb(std::string_view key) const noexcept;
};

// True when any program that we know would take `text` for the start of a descriptor file: only comments and blank
// lines before a line "version=", or a title in one of VirtualBox's spellings.
bool LooksLikeDescriptor(std::string_view text) noexcept;

// The same to qemu: only comments, and lines of nothing but blanks, stand before a line that is exactly "version=1", 2
// or 3.
bool LooksLikeDescriptorToQemu(std::string_view text) noexcept;

// Takes every line end (LF, CRLF, CR), case of keys, quoting and padding that tools write; the text ends at its first
// NUL. Of a key that stands twice the first counts; keys that it does not know are passed over. kCorrupt for a line
// that is neither a comment, nor a pair, nor an extent; for a CID that is no number; and for more than 1 MiB. kLimit
// where what the lines say takes more than limits.metadata_bytes.
Result<Descriptor> ParseDescriptor(std::string_view text, const Limits& limits = {});

// The text as qemu-img lays it out, ending in a line feed. What is empty is left out.
std::string PrintDescriptor(const Descriptor& descriptor);

// `text` with `cid` in the place of its CID, and every other byte as it was; without a CID, the text itself.
std::string WithCid(std::string_view text, std::uint32_t cid);

// `name`, which stands in the descriptor in `encoding`, as UTF-8. kUnsupported for an encoding that this host does not
// know; kCorrupt for bytes that it does not allow.
Result<std::string> DecodeName(std::string_view name, std::string_view encoding);

// A CID as it is written: 8 hexadecimal digits in lower case.
std::string CidText(std::uint32_t cid);

}  // namespace platter::vmdk
