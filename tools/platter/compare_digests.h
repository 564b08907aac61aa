// platter compare --digest: disks that are compared by what they hash to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "convert/hash/algorithm.h"
#include "convert/hash/block_hash.h"
#include "formats/core/chain.h"
#include "tools/platter/persona.h"
#include "tools/platter/source_watch.h"

namespace platter::cli {

struct DigestComparison {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::optional<std::string> recorded;  // hexadecimal, lower case; empty: of another disk
  bool guest = false;                   // of the guest's bytes; otherwise the block hash
  std::uint64_t block_size = kDefaultHashBlock;
  bool progress = false;
  bool quiet = false;
};

// The value of --digest: "sha256", or with what was recorded "sha256:HEX". Empty after a message.
std::optional<DigestComparison> ParseDigestComparison(const Persona& persona, std::string_view text);

struct NamedChain {
  std::string name;
  Chain chain;
};
// One disk with `recorded`, two without; `watch` has their files. Prints digests and verdict; returns compare's exit
// code.
int CompareDigests(const Persona& persona, const DigestComparison& comparison, std::span<const NamedChain> disks,
                   const SourceWatch& watch);

}  // namespace platter::cli
