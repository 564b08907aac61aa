// The log of a file that was not closed properly: what it would change, found and checked (2.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhdx/header.h"

namespace platter::vhdx {

// What replaces a range of the file: zeros, or one sector whose middle lies in the log.
struct LoggedRange {
  std::uint64_t end = 0;         // file bytes
  std::uint64_t log_sector = 0;  // host offset of the data sector; 0: zeros
  std::uint64_t leading = 0;     // the sector's first 8 bytes
  std::uint32_t trailing = 0;    // and its last 4
};

// The outcome of the active sequence of entries: for each range its last change. Ranges do not overlap.
struct LogChanges {
  std::map<std::uint64_t, LoggedRange> ranges;  // by file offset
  std::uint64_t file_size = 0;                  // afterwards
  std::size_t entry_count = 0;
};

// Finds the active sequence: the valid one with the greatest sequence number. What a torn write left behind is passed
// over. Requires: header.has_log().
// kCorrupt when there is no valid sequence, an entry in it contradicts itself, would change what a log must not, or
// when the file is shorter than the log says it was; kLimit when the changes take more memory than
// limits.metadata_bytes; kIo.
Result<LogChanges> ReadLog(Storage& storage, const Header& header, const Limits& limits);

}  // namespace platter::vhdx
