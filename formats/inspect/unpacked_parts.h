// UnpackedParts: what of an upload is compressed, and is decompressed while it passes by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/containers/codec/decoder.h"
#include "formats/core/memory_budget.h"
#include "formats/inspect/stream_window.h"
#include "formats/inspect/unpacked_stream.h"

namespace platter::inspect {

// One thread.
class UnpackedParts {
 public:
  // Each takes as much as the upload itself, and a decoder.
  static constexpr std::size_t kMost = 2;

  // Decoders count against `memory`, which outlives them; null: against nothing.
  UnpackedParts(std::shared_ptr<StreamWindow> whole, MemoryBudget* memory)
      : whole_(std::move(whole)), memory_(memory) {}

  // The stream in the bytes from `begin` to `end` of the upload; to its end where `end` is StreamWindow::kEndless or
  // more. Asked for the first time, it is decompressed from now on. Null where its beginning has passed by, and where
  // there are too many.
  UnpackedStream* Of(std::uint64_t begin, std::uint64_t end, codec::Compression compression);

  bool empty() const noexcept { return parts_.empty(); }
  // The upload's bytes from here on, at most, may come in one piece: what lies where then does not depend on the pieces
  // in which it comes.
  std::uint64_t MostAt(std::uint64_t position) const noexcept;
  // Bytes that have just been appended to the upload.
  void Append(std::uint64_t position, std::span<const std::byte> bytes);
  // The upload has ended.
  void Finish();
  // Decompresses what is here. True as soon as a look is worth while; to be called again after it.
  bool Advance();
  // Unpacked bytes so far, of all parts.
  std::uint64_t made() const noexcept;

 private:
  struct Part {
    std::uint64_t begin;
    std::uint64_t end;
    std::unique_ptr<UnpackedStream> stream;
  };

  std::shared_ptr<StreamWindow> whole_;
  MemoryBudget* memory_;
  std::vector<Part> parts_;
};

}  // namespace platter::inspect
