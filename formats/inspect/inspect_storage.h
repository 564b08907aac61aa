// One look at a file, or at what is here of a stream.
#pragma once

#include <memory>

#include "formats/containers/container.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/unpacking.h"
#include "formats/inspect/report.h"
#include "formats/inspect/stream_window.h"
#include "formats/inspect/unpacked_parts.h"

namespace platter::inspect {

enum class Depth : std::uint8_t {
  kStreaming,  // headers and top-level tables: what a stream can be judged by
  kFull,       // all tables, too
};

// Recognises `storage` and collects what its formats find, through the parsers that open uses; opens no other file.
// `stream`: the same storage where it is a stream, null for a file; what its bytes were missing for is left out.
// `parts`: what of the stream is decompressed while it passes by; null for a file, which `unpacking` is for.
// `read_before`: what earlier looks at the stream have read. The verdict is not set. kIo of a file, and nothing else:
// what is wrong with the image is in the report.
Result<Report> InspectStorage(const std::shared_ptr<Storage>& storage, const StreamWindow* stream, UnpackedParts* parts,
                              Depth depth, const Limits& limits, const Unpacking& unpacking = {},
                              ReadBefore* read_before = nullptr);

}  // namespace platter::inspect
