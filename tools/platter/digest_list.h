// Lines of digest lists, as sha256sum, its relatives and openssl write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/hash/algorithm.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// The value of --digest. False after a message.
bool TakeDigestNames(const Persona& persona, std::string_view text, std::vector<DigestAlgorithm>& algorithms);

// The name as it stands in such lines: as it is, or with a backslash in front and its line ends and backslashes
// escaped.
std::string ListedName(std::string_view name);

// "HEX  NAME", as sha256sum writes it: a name with a line end or a backslash in it is escaped, and the line then starts
// with a backslash.
std::string PlainDigestLine(std::string_view hex, std::string_view name);
// "SHA256 (NAME) = HEX", as sha256sum --tag writes it.
std::string TaggedDigestLine(DigestAlgorithm algorithm, std::string_view hex, std::string_view name);

struct DigestLine {
  std::optional<DigestAlgorithm> algorithm;  // where the line names it
  std::string hex;                           // lower case
  std::string name;
};

// Either kind of line, and openssl's "SHA2-256(NAME)= HEX". Empty for anything else.
std::optional<DigestLine> ParseDigestLine(std::string_view line);

// What a digest of so many hexadecimal digits is when nothing says it: md5, sha1, sha2, crc32c or xxh3.
std::optional<DigestAlgorithm> DigestOfLength(std::size_t hex_digits) noexcept;

}  // namespace platter::cli
