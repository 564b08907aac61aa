// UnpackedStream: a compressed part of an upload, decompressed while it passes by, as a stream of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/containers/codec/decoder.h"
#include "formats/core/finding.h"
#include "formats/core/memory_budget.h"
#include "formats/core/result.h"
#include "formats/inspect/stream_window.h"

namespace platter::inspect {

// Holds what its window holds, a little stored input, and what the decoder takes until the stream has ended. One
// thread.
class UnpackedStream {
 public:
  // The decoder counts against `memory`, which outlives it; null: against nothing.
  UnpackedStream(const std::string& name, codec::Compression compression, MemoryBudget* memory = nullptr);

  // What has been decompressed so far; finished at the stream's end, be it damaged or not.
  const std::shared_ptr<StreamWindow>& window() const noexcept { return window_; }
  // Why it has ended early, once it has.
  const std::optional<Finding>& damage() const noexcept { return damage_; }
  // Unpacked bytes.
  std::uint64_t made() const noexcept { return window_->position(); }

  // The stored bytes that follow. They are decompressed by Advance, in units that do not depend on the pieces in which
  // they come.
  void Append(std::span<const std::byte> stored);
  // No stored bytes follow.
  void Finish() noexcept {
    stored_ended_ = true;
    total_ = stored_;
  }
  // So many will have been appended at the end: what they may unpack to is known from now on.
  void Expect(std::uint64_t stored) noexcept { total_ = stored; }
  // Decompresses up to the next position at which a look is worth while, and no further than what is stored here.
  // True when there is something to be looked at.
  bool Advance();

 private:
  // The bytes that the decoder gets next, none where it is only to give what it holds; empty when it wants more than is
  // here, or the stream has ended.
  std::optional<std::size_t> PartOfUnit() const;
  // One turn of the decoder. False when it wants more, or the stream has ended.
  Result<bool> Turn();
  Result<> CheckSize() const;
  void End();

  std::shared_ptr<StreamWindow> window_;
  std::unique_ptr<codec::Decoder> decoder_;  // null once the stream has ended
  std::vector<std::byte> pending_;           // stored, from the decoder's place on
  std::size_t pending_at_ = 0;
  std::uint64_t stored_ = 0;  // bytes that have been appended
  std::uint64_t taken_ = 0;   // of them, by the decoder
  bool stored_ended_ = false;
  std::optional<std::uint64_t> total_;  // stored bytes of the whole stream, once they are known
  bool dry_ = true;                     // the decoder holds nothing that it could still give
  std::vector<std::byte> piece_;
  std::optional<Finding> damage_;
};

// A finding for what a decoder refused, codes compressed.*.
Finding StreamFinding(const Error& error);

}  // namespace platter::inspect
