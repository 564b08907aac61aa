// What the codecs have in common: members in a row, what may stand between them, and where a stream may end.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "formats/containers/codec/decoder.h"

namespace platter::codec {

// One member (gzip's word), stream (bzip2's and xz's) or frame (zstd's).
class MemberDecoder : public Decoder {
 public:
  Result<Step> Decode(std::span<const std::byte> in, std::span<std::byte> out) final;
  Result<> End() final;
  bool at_member() const noexcept final { return state_ == State::kBetween && padding_ == 0; }

 protected:
  // Bytes at a member's front that tell it from anything else, at most.
  static constexpr std::size_t kMark = 6;

  // `padding`: the last member may be followed by zeros, a multiple of so many; 0: by none.
  explicit MemberDecoder(std::size_t padding) : padding_unit_(padding) {}
  MemberDecoder(const MemberDecoder&) = default;
  MemberDecoder& operator=(const MemberDecoder&) = delete;

  struct Part {
    Step step;
    bool ended = false;  // this was the member's last byte
  };
  // Whether a member's first bytes may be these, at most kMark.
  virtual bool CanStart(std::span<const std::byte> first) const noexcept = 0;
  // Whether `first` goes on as `mark` does, as far as both go.
  static bool GoesWith(std::span<const std::byte> first, std::string_view mark) noexcept;
  // Prepares for a member's first byte.
  virtual Result<> Start() = 0;
  // As Decode, of one member.
  virtual Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) = 0;

 private:
  enum class State : std::uint8_t { kBetween, kInside };

  Result<Step> PassPadding(std::span<const std::byte> in);
  bool MarkFits(std::span<const std::byte> in);

  std::size_t padding_unit_;
  State state_ = State::kBetween;
  bool first_ = true;                    // no member has ended yet
  std::array<std::byte, kMark> mark_{};  // of the present member
  std::size_t marked_ = 0;               // of them, that are here
  std::uint64_t padding_ = 0;            // zeros since the last member
};

// An error of a stream: `field` as in kFindingRules.
Error StreamError(ErrorKind kind, std::string what, std::string field, std::string_view found = "");

std::unique_ptr<Decoder> MakeGzipDecoder(MemoryBudget* memory);
std::unique_ptr<Decoder> MakeBzip2Decoder(MemoryBudget* memory);
std::unique_ptr<Decoder> MakeXzDecoder(MemoryBudget* memory);
std::unique_ptr<Decoder> MakeZstdDecoder(MemoryBudget* memory);

}  // namespace platter::codec
