// Audit: are stored files what was recorded of them? Many files at once, their digests in the lanes of a pool.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/hash/algorithm.h"
#include "formats/core/error.h"
#include "formats/core/result.h"

namespace platter {

struct RecordedDigest {
  DigestAlgorithm algorithm;
  std::string hex;  // lower case
};

struct AuditedFile {
  std::string path;
  std::vector<RecordedDigest> recorded;  // at least one; all are verified in one pass over the file
};

// What tells a file that was not touched since from one that was.
struct FileStamp {
  std::uint64_t size = 0;     // bytes
  std::int64_t modified = 0;  // nanoseconds since 1970
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Of the file that `path` leads to. Empty where there is none, or none that the host lets us see.
std::optional<FileStamp> StampOf(const std::string& path);

struct AuditFinding {
  enum class Verdict : std::uint8_t {
    kOk,
    kDiffers,     // at least one digest is another
    kMissing,     // no such file: it was never there, or vanished
    kUnreadable,  // `error`
    kChanged,     // somebody wrote to it, or put another in its place, while it was read
  };
  Verdict verdict = Verdict::kOk;
  FileStamp stamp;                   // as of when it was opened
  std::vector<DigestValue> digests;  // one for each that was recorded; none unless kOk, kDiffers
  std::optional<Error> error;        // kMissing, kUnreadable
};

struct AuditOptions {
  unsigned readers = 0;    // files that are read at once; 0: as many as fill the lanes
  unsigned hashers = 0;    // threads that hash; 0: one for each core
  std::uint64_t rate = 0;  // bytes per second that are read at most, all files together; 0: no limit
  // Called with bytes of all files together, one call at a time, ascending. May be empty.
  std::function<void(std::uint64_t done)> progress = {};
  // Looked at between pieces; once true, files that are being read are left, and Audit returns kCancelled. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// Verifies each file; `take` gets every finding as soon as it is there, one call at a time, on any thread, with the
// file's place in `files`. What is wrong with one file keeps no other from being verified. Files are begun in order.
// Memory: 512 KiB for each reader, whatever the files' number and sizes. Fails with kCancelled, and with kIo
// where the host grants no thread.
Result<> Audit(std::span<const AuditedFile> files, const AuditOptions& options,
               const std::function<void(std::size_t index, AuditFinding finding)>& take);

}  // namespace platter
