// Inspector: judges an upload while it arrives, by what it says of itself and not by what it is called.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/unpacking.h"
#include "formats/inspect/inspect_storage.h"
#include "formats/inspect/policy.h"
#include "formats/inspect/report.h"
#include "formats/inspect/stream_window.h"
#include "formats/inspect/unpacked_parts.h"

namespace platter::inspect {

struct Options {
  Policy policy = {};
  Limits limits = {.table_cache = std::uint64_t{64} << 10, .metadata_bytes = std::uint64_t{256} << 10};
  std::string name = "upload";  // of the file, in messages
  // The tally is told of what InspectFile decompresses; an Inspector is asked for it.
  Unpacking unpacking = {};
};

// Feed it a stream front to back; at most 1 MiB of it is held, and as much of what up to two compressed disks in it
// unpack to, besides what their decoders hold (codec::kMostWindow each, at most). The report does not depend on the
// pieces in which the bytes come. One thread at a time. Feed, Finish and InspectFile throw std::bad_alloc where a
// decoder gets no memory; nothing is to be expected of an Inspector after it.
class Inspector {
 public:
  explicit Inspector(Options options);

  // The bytes that follow. Requires: Finish was not called.
  void Feed(std::span<const std::byte> bytes);
  // Bytes that have been decompressed to be looked at.
  std::uint64_t unpacked() const noexcept { return parts_.made(); }
  // What is known so far; kRefused as soon as nothing that follows can change that, and never kAccepted. Valid until
  // the next call.
  const Report& report() const noexcept { return report_; }
  // The stream has ended: the whole report.
  Report Finish();

 private:
  void Look(bool whole);

  Options options_;
  std::shared_ptr<StreamWindow> window_;
  UnpackedParts parts_;
  ReadBefore read_before_;
  Report report_;
};

// The same of a file, which can be looked at anywhere. kFull: the tables are walked, too. kIo.
Result<Report> InspectFile(const std::shared_ptr<Storage>& file, const Options& options, Depth depth);

}  // namespace platter::inspect
