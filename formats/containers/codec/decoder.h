// Compressed streams back to bytes, piece by piece: gzip (RFC 1952), bzip2, xz (the .xz format) and zstd (RFC 8878),
// each any number of members in a row, as their tools read them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "formats/core/finding.h"
#include "formats/core/memory_budget.h"
#include "formats/core/result.h"

namespace platter::codec {

enum class Compression : std::uint8_t { kGzip, kBzip2, kXz, kZstd };
std::string_view CompressionName(Compression compression) noexcept;  // "gzip", "bzip2", "xz", "zstd"

// By the first bytes of a stream; ProbeInput::kHead of them show what stands behind a frame to be skipped.
std::optional<Compression> FindCompression(std::span<const std::byte> head) noexcept;
// Whether a zstd stream that starts like this has a frame to be skipped in front. Eight bytes tell.
bool StartsWithSkipped(std::span<const std::byte> head) noexcept;
// By the name that CompressionName gives.
std::optional<Compression> FindCompression(std::string_view name) noexcept;

// What the errors of this folder are called in an inspection, behind "compressed.".
inline constexpr std::array kFindingRules = {
    FindingRule{"compressed stream", "end", "truncated", Concern::kTruncated, ""},
    FindingRule{"compressed stream", "trailing data", "trailing_data", Concern::kAmbiguous, ""},
    FindingRule{"compressed stream", "checksum", "checksum", Concern::kCorrupt, ""},
    FindingRule{"compressed stream", "window", "window", Concern::kSize, ""},
    FindingRule{"compressed stream", "size", "bomb", Concern::kSize, ""},
    FindingRule{"compressed stream", "order", "order", Concern::kUnseen, ""},
    FindingRule{"compressed stream", "", "data", Concern::kCorrupt, ""},
};

// Bytes that a stream may make its reader hold: its window, or dictionary.
inline constexpr std::uint64_t kMostWindow = std::uint64_t{128} << 20;

struct Step {
  std::size_t taken = 0;  // stored bytes that are used up
  std::size_t made = 0;
};

// One stream, front to back. One thread. Holds what the format's window takes: 32 KiB of gzip, 4 MiB of bzip2, of xz
// and zstd what the stream asks for, up to kMostWindow.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Goes on with the bytes at the front of `in`, whatever is there, and fills `out` as far as they go. Requires: `out`
  // is not empty. Nothing taken and nothing made: it wants more. kCorrupt for damage, for a wrong checksum and for what
  // follows the stream and is none, or is one behind padding; kLimit for a window beyond kMostWindow. Throws
  // std::bad_alloc where there is no memory for the window.
  virtual Result<Step> Decode(std::span<const std::byte> in, std::span<std::byte> out) = 0;
  // No more bytes follow. kCorrupt where the stream does not end here.
  virtual Result<> End() = 0;
  // Whether a new decoder could go on here.
  virtual bool at_member() const noexcept = 0;
  // The same state once more; null where the codec cannot.
  virtual std::unique_ptr<Decoder> Clone() const = 0;
};

// What the decoder holds for its window counts against `memory`, which outlives it; null: against nothing.
std::unique_ptr<Decoder> MakeDecoder(Compression compression, MemoryBudget* memory = nullptr);

}  // namespace platter::codec
