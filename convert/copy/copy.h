// Copy: moves a guest disk into an image that is being written, by extents: holes and zeros are never read, data is
// read in large pieces by several workers, and what arrives as zeros is found and left out.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "formats/core/chain.h"
#include "formats/core/error.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter {

struct CopyOptions {
  unsigned workers = 0;  // threads that read, scan and encode; 0: as many as suit the machine. Never changes the output
  // Zeros inside data are looked for in aligned blocks of this many bytes, at least the target's unit. 0: not at all,
  // and zeros are written as data.
  std::uint64_t sparse_granularity = 4096;
  // Bytes that all buffers together may take; the number of workers follows. One worker's buffer is always granted.
  std::uint64_t buffer_bytes = std::uint64_t{16} << 20;
  std::uint64_t rate_limit = 0;  // bytes of data per second; 0: none
  bool in_kernel = false;        // let the host copy what lies verbatim in a file (copy_file_range), where it can
  // The file that payload goes to, or one beside it: what lies verbatim in a file on the same file system, on blocks
  // that are whole in the target too, is shared with it instead of copied (a reflink), zeros that the source stores
  // included. Null: all is copied.
  const Storage* reflink_target = nullptr;
  // Compressed units move as they are, not inflated, where source and target pack them alike (Image::packing,
  // WriterTraits::packing): zeros that the source compressed stay, and damage in them stays unnoticed unless it shows
  // without inflating. Not for writers that look at the bytes.
  bool pass_packed = false;
  // Nobody looks at the bytes but for zeros: they move in large pieces, by few workers.
  bool moves_only = false;

  // Reads that fail, and metadata that cannot be mapped, become zeros: `on_read_error` is told the offset in the target
  // and why, from any worker, one call at a time.
  bool salvage = false;
  std::function<void(std::uint64_t guest_offset, const Error& error)> on_read_error;

  // The target's backing file, null without one. What the topmost `layers_above_backing` layers of a source leave
  // unallocated is left to it, and it fills the rest of a unit that is only partly data, unless the target has content.
  // 0: it is none of the source's layers, so both are read, and what they hold alike is left to it.
  const Chain* target_backing = nullptr;
  std::size_t layers_above_backing = 1;

  // The target is known to read as zero everywhere: zeros are not written.
  bool target_is_zero = false;
  // The old content of a target that is there, its backing file's included: what is left to the backing file keeps it
  // where it shares a unit with data, and so does what shares the last unit with the sources' end.
  const Chain* target_content = nullptr;
  std::uint64_t target_size = 0;  // of such a target, in guest bytes; 0: as long as the sources

  // Called with guest bytes, one call at a time, ascending. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  // Looked at between batches; once true, Copy returns kCancelled. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

struct CopyReport {
  std::uint64_t data_bytes = 0;       // written as data
  std::uint64_t zero_bytes = 0;       // left out or written as zeros, found by map or by scan
  std::uint64_t backing_bytes = 0;    // left to the target's backing file
  std::uint64_t in_kernel_bytes = 0;  // of data_bytes, copied or shared by the host
  std::uint64_t packed_bytes = 0;     // of data_bytes, moved as the source has compressed them
  std::uint64_t read_errors = 0;      // salvaged
};

// Guest bytes of the sources, one after the other: each but the last ends with a whole sector of 512 bytes. kOutOfRange
// beyond 8 EiB.
Result<std::uint64_t> JoinedSize(std::span<const Chain* const> sources);

// Copies `sources`, joined, to the start of `writer`'s disk. ImageWriter::Finish is left to the caller.
// The error of the lowest failing offset wins; all workers have ended when Copy returns. kCancelled; else the kinds of
// Chain::Map, Chain::ReadAt and of the writer's stages.
Result<CopyReport> Copy(std::span<const Chain* const> sources, ImageWriter& writer, const CopyOptions& options);

}  // namespace platter
