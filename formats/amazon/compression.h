// What compressed kernels and ramdisks start with: enough of the stream is decompressed to see what it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::amazon {

enum class Compression : std::uint8_t { kGzip, kBzip2, kXz, kLzma, kLz4, kLz4Legacy, kZstd };

// "gzip", "bzip2", "xz", "lzma", "lz4" (both kinds), "zstd".
std::string_view CompressionName(Compression compression) noexcept;

// By the first bytes. lzma has no magic number worth the name: what it says is only a guess.
std::optional<Compression> FindCompression(std::span<const std::byte> head) noexcept;

// Bounds of one call of Decompress.
inline constexpr std::size_t kMaxCompressed = std::size_t{768} << 10;  // bytes read: so many an inspector holds
inline constexpr std::size_t kMaxDecompressed = std::size_t{1} << 17;  // bytes produced
inline constexpr std::size_t kMaxWindow = std::size_t{1} << 27;        // the dictionary that a stream may ask for

// The first bytes of the stream at `offset` of `file`, at most kMaxDecompressed. Fewer, down to none, where the stream
// is damaged, ends, or wants more memory than kMaxWindow: whoever asks looks at what is there. kIo.
Result<std::vector<std::byte>> Decompress(Storage& file, std::uint64_t offset, Compression compression);

}  // namespace platter::amazon
