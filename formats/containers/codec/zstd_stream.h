// The zstd library's decoder as everybody here has it: windows of up to kMostWindow, memory within a budget, and frames
// (RFC 8878, section 3.1) that are sound, or damaged in the same way, however their bytes are cut into pieces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "formats/core/memory_budget.h"

struct ZSTD_DCtx_s;

namespace platter::codec {

// One thread.
class ZstdStream {
 public:
  // `memory` outlives the stream; null: only the host counts. Throws std::bad_alloc.
  explicit ZstdStream(MemoryBudget* memory);

  enum class Damage : std::uint8_t { kNone, kData, kChecksum, kWindow };
  struct Part {
    std::size_t taken = 0;  // stored bytes that are used up
    std::size_t made = 0;
    bool ended = false;  // this was a frame's last byte; another one may follow
    Damage damage = Damage::kNone;
    std::string_view text = {};  // what is wrong, for a person; lives for ever
  };
  // Goes on with the bytes at the front of `in`, within one frame, and fills `out` as far as they go. Behind damage
  // there is nothing. Throws std::bad_alloc where there is no memory for the window.
  Part Decode(std::span<const std::byte> in, std::span<std::byte> out);

 private:
  Part Step(std::span<const std::byte> in, std::span<std::byte> out);
  void Follow(std::span<const std::byte> taken, std::size_t made);
  bool IsAsLongAsItSays() const;

  struct Free {
    void operator()(ZSTD_DCtx_s* state) const noexcept;
  };
  static constexpr std::size_t kLongestHeader = 18;  // with the magic number
  std::unique_ptr<ZSTD_DCtx_s, Free> state_;
  std::array<std::byte, kLongestHeader> header_{};  // of the present frame
  std::size_t header_length_ = 0;                   // of it, that is here
  std::uint64_t made_ = 0;                          // bytes of the frame's content
};

}  // namespace platter::codec
