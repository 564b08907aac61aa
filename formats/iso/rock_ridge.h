// The System Use Sharing Protocol (SUSP 1.12) and what Rock Ridge (RRIP 1.12) says in it about a file: POSIX names,
// owners, modes, links, and directories that were moved to stay within eight levels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/directory_record.h"

namespace platter::iso {

// Where the protocol is in use on a volume, as the root directory's own record says.
struct SuspHeader {
  std::uint8_t skip = 0;                // bytes at the start of every system use area that belong to someone else
  std::vector<std::string> extensions;  // identifiers of its ER entries: "RRIP_1991A", "IEEE_P1282"
};

// Content compressed by zisofs (ZF): a header, a table of block offsets, blocks of zlib streams.
struct Zisofs {
  std::string algorithm;          // "pz" is zlib
  std::uint32_t header_size = 0;  // bytes
  std::uint8_t block_bits = 0;    // log2 of the block size
  std::uint32_t size = 0;         // bytes once decompressed
};

struct RockRidge {
  std::optional<std::string> name;
  std::optional<std::string> target;  // of a symbolic link
  std::optional<std::uint32_t> mode;  // with the kind of file
  std::uint32_t links = 1;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::optional<std::int64_t> modified;      // Unix time
  std::optional<std::uint32_t> child_link;   // CL: this entry stands for the directory at that block
  std::optional<std::uint32_t> parent_link;  // PL
  bool relocated = false;                    // RE: a moved directory, listed where its CL is
  std::optional<Zisofs> zisofs;
  // The first entry that is not as it should be; "" when all are. The others count all the same.
  std::string damage;
  bool cut = false;             // by the damage: there may be entries that were not found
  bool zisofs_damaged = false;  // the content is compressed, and it is not known how
  // The first number whose two byte orders disagree (the little-endian one counts): "PX, field mode: 1 little-endian, 2
  // big-endian". "" when there is none.
  std::string disagreement;
};

// Empty when the root's record has no SP entry. kCorrupt for entries that do not fit.
Result<std::optional<SuspHeader>> ReadSuspHeader(Storage& storage, std::uint32_t block_size,
                                                 const DirectoryRecord& root_self);

// What the record's system use area and its continuations say. Damage is entries that do not fit, continuations that
// never end, and names beyond 1024 or targets beyond 4096 bytes; of those, no name and an empty target are given.
Result<RockRidge> ReadRockRidge(Storage& storage, std::uint32_t block_size, const SuspHeader& header,
                                const DirectoryRecord& record);

}  // namespace platter::iso
