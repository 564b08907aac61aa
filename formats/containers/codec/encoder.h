// Bytes into compressed members, one at a time: each is a whole gzip member, bzip2 or xz stream, or zstd frame, and
// their tools read any number of them in a row.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "formats/containers/codec/decoder.h"
#include "formats/core/result.h"

namespace platter::codec {

// One thread at a time. The output depends on the input alone, not on what was compressed before.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends what `bytes`, at most 1 GiB of them, compress to. kIo where the codec fails.
  virtual Result<> Append(std::span<const std::byte> bytes, std::vector<std::byte>& out) = 0;
};

// kInvalid for a level that the codec does not know: 1 to 9 of gzip and bzip2, 0 to 9 of xz, 1 to 22 of zstd.
Result<> CheckLevel(Compression compression, std::optional<int> level);

// Without a level: the fastest that is worth it of gzip (1) and zstd (3), what the tool takes of bzip2 (9) and xz (6).
// Requires: CheckLevel is content.
std::unique_ptr<Encoder> MakeEncoder(Compression compression, std::optional<int> level);

}  // namespace platter::codec
