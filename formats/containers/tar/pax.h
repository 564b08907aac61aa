// Extended headers of pax archives: records of text in front of the member that they describe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"

namespace platter::tar {

// What the records say of a member. Times and owners are as written, for whoever needs them to judge; what is not
// listed here is passed over.
struct PaxRecords {
  std::optional<std::string> path;
  std::optional<std::string> link_path;
  std::optional<std::uint64_t> size;  // bytes
  // GNU's sparse files, star's and Sun's, which are an ordinary member to whoever does not know them.
  bool sparse = false;
  std::optional<std::string> sparse_name;
  std::optional<std::string> modified;  // "mtime": seconds, with a fraction
  std::optional<std::string> user;
  std::optional<std::string> group;
  // Extended attributes (SCHILY.xattr.NAME), in the order of the records.
  std::vector<std::pair<std::string, std::string>> attributes;
};

// `text`: the content of a header at host byte `offset`. kCorrupt for a record that is not as long as it says, for a
// size that is no number, and for a name that is none: empty, which for some programs is as if it were not there, or
// with a NUL, at which for some it ends.
Result<PaxRecords> ParsePax(std::string_view text, std::uint64_t offset);

}  // namespace platter::tar
