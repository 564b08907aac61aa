// What the codecs have in common: members in a row, what may stand between them, and where a stream may end.
#pragma once

#include <string>

#include "formats/containers/codec/decoder.h"

namespace platter::codec {

// One member (gzip's word), stream (bzip2's and xz's) or frame (zstd's).
class MemberDecoder : public Decoder {
 public:
  Result<Step> Decode(std::span<const std::byte> in, std::span<std::byte> out) final;
  Result<> End() final;
  bool at_member() const noexcept final { return state_ == State::kBetween && padding_ == 0; }

 protected:
  // `first`: what each member's first byte may be. `padding`: members may be followed by zeros, in multiples of so many
  // where something follows them; 0: by none.
  explicit MemberDecoder(std::size_t padding) : padding_unit_(padding) {}
  MemberDecoder(const MemberDecoder&) = default;
  MemberDecoder& operator=(const MemberDecoder&) = delete;

  struct Part {
    Step step;
    bool ended = false;  // this was the member's last byte
  };
  virtual bool CanStart(std::byte first) const noexcept = 0;
  // Prepares for a member's first byte. kLimit where there is no memory.
  virtual Result<> Start() = 0;
  // As Decode, of one member.
  virtual Result<Part> DecodeMember(std::span<const std::byte> in, std::span<std::byte> out) = 0;

 private:
  enum class State : std::uint8_t { kBetween, kInside };

  Result<Step> PassPadding(std::span<const std::byte> in);

  std::size_t padding_unit_;
  State state_ = State::kBetween;
  bool first_ = true;          // no member has ended yet
  bool produced_ = false;      // the present member has made a byte
  std::uint64_t padding_ = 0;  // zeros since the last member
};

// An error of a stream: `field` as in kFindingRules.
Error StreamError(ErrorKind kind, std::string what, std::string field, std::string_view found = "");

std::unique_ptr<Decoder> MakeGzipDecoder();
std::unique_ptr<Decoder> MakeBzip2Decoder();
std::unique_ptr<Decoder> MakeXzDecoder();
std::unique_ptr<Decoder> MakeZstdDecoder();

}  // namespace platter::codec
