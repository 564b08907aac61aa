// Lines of digest lists, as sha256sum, its relatives and openssl write them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/hash/algorithm.h"
#include "formats/core/result.h"
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

// A line of a list, with its algorithm settled.
struct ListedDigest {
  DigestAlgorithm algorithm;
  std::string hex;  // lower case, as long as the algorithm's digests are
  std::string name;
};

struct DigestListRules {
  // What lines that do not name theirs have, and what the others have to name; empty: as DigestOfLength tells.
  std::optional<DigestAlgorithm> algorithm;
  // The file that a line with nothing but a digest is about; empty: such lines make no sense.
  std::optional<std::string> only_file = {};
  // Ends the waiting for a list out of a pipe, with kCancelled; null: never.
  const std::atomic<bool>* cancel = nullptr;
};
// The lines of the list at `path` ("-": the standard input) that make sense. Empty ones and those that start with '#'
// are passed over, and `wrong` is called with the number, from 1 on, of each that makes none. kIo where it cannot be
// read.
Result<std::vector<ListedDigest>> ReadDigestList(const std::string& path, const DigestListRules& rules,
                                                 const std::function<void(std::size_t number)>& wrong);

// What a digest of so many hexadecimal digits is when nothing says it: md5, sha1, sha2, crc32c or xxh3.
std::optional<DigestAlgorithm> DigestOfLength(std::size_t hex_digits) noexcept;

}  // namespace platter::cli
