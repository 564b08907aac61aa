// Tar archives put together block by block, as a forger would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace platter::test {

struct TarEntry {
  std::string name;
  std::string content = "";
  char type = '0';
  std::string link = "";
  // As it stands in the header, where that is not the content's length: octal digits, or any bytes.
  std::string size_field = "";
  bool ustar = true;  // false: a V7 header
  std::string prefix = "";
  std::string magic = "";  // where it is none of the two
};

// A header and the content behind it, padded.
std::string TarMember(const TarEntry& entry);
// A pax header with these records, "KEY=VALUE" each.
std::string TarPax(const std::vector<std::string>& records, char type = 'x');
// What GNU's header is marked with, and a prefix that lies over its times and puts a sparse file's map behind them.
std::string GnuMagic();
std::string GnuSparseMap();
// The header's checksum put right again.
void MendTarHeader(std::string& archive, std::size_t at);
// Members one behind the other, and the end's mark.
std::string TarArchive(const std::vector<std::string>& members);
// A base-256 size of these bytes, the last ones of the field.
std::string Base256(std::string_view tail);

std::vector<std::byte> AsBytes(std::string_view text);

}  // namespace platter::test
