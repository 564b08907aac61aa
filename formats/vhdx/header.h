// The headers of a VHDX file: which of the two counts, and how a new one is written over the other.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhdx/layout.h"

namespace platter::vhdx {

// A part of the file, in host bytes.
struct Region {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  std::uint64_t end() const noexcept { return offset + length; }
  // False where one of them is empty, as the log may be, whose offset means nothing then.
  bool Overlaps(const Region& other) const noexcept {
    return std::max(offset, other.offset) < std::min(end(), other.end());
  }
};

struct Header {
  std::uint64_t sequence = 0;
  Guid file_write;
  Guid data_write;
  Guid log_guid;  // zero: nothing to replay
  Region log;

  bool has_log() const noexcept { return !log_guid.IsZero() && log.length != 0; }
};

// Both copies as found: empty where the signature or the checksum is wrong.
struct HeaderPair {
  std::array<std::optional<Header>, 2> copies;
  std::size_t current = 0;  // of `copies`; that one is there

  const Header& header() const noexcept { return *copies[current]; }
};

// Reads both copies and finds the current one. kNotThisFormat without the file's signature; kCorrupt when neither is
// valid, both have one sequence number and differ, or the log's place is impossible; kUnsupported for another version.
Result<HeaderPair> ReadHeaders(Storage& storage);

// "QEMU v7.2.22": the program that made the file, as UTF-8.
Result<std::string> ReadCreator(Storage& storage);

// One copy, with its checksum.
std::vector<std::byte> SerializeHeader(const Header& header);
// The first 64 KiB of a new file.
std::vector<std::byte> SerializeFileIdentifier(std::string_view creator);

// Makes `header` current, with sequence numbers above those in the file, so that the file has one valid header at any
// moment: writes the copy that does not count, flushes, then the other one, and flushes (2.2.2.1).
Result<> UpdateHeaders(Storage& storage, HeaderPair& pair, Header header);

}  // namespace platter::vhdx
