// Volumes as bytes in memory: made by real tools, then damaged, opened and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/open.h"

namespace platter::test {

using Bytes = std::vector<std::byte>;

// The primary volume descriptor.
inline constexpr std::size_t kPrimary = 32768;

// The volume v.iso that the shell commands in `script` make in a folder that has the sample tree, without its many
// files and levels, as tree/.
Bytes MakeVolume(const std::string& script);

void Overwrite(Bytes& bytes, std::size_t offset, const std::vector<std::uint8_t>& with);

Result<std::shared_ptr<Image>> OpenBytes(Bytes bytes, const std::string& tree = "auto");

// What of a volume's tree is not the same in the damaged one, a line for each path but `left_out`.
std::string LostFrom(const Bytes& whole, const Bytes& damaged, const std::string& left_out, const std::string& tree);

// The lines of a check, or the error that ended it.
std::vector<std::string> FindingsIn(Bytes bytes);

}  // namespace platter::test
