#include "formats/containers/codec/decoder.h"

#include <algorithm>

#include "formats/containers/codec/member_decoder.h"
#include "formats/core/bytes.h"

namespace platter::codec {
namespace {

struct Codec {
  Compression compression;
  std::string_view name;
  std::string_view mark;  // first bytes
  std::unique_ptr<Decoder> (*make)(MemoryBudget* memory);
};
constexpr std::array kCodecs = {
    Codec{Compression::kGzip, "gzip", "\x1F\x8B\x08", MakeGzipDecoder},  // RFC 1952, 2.3.1
    Codec{Compression::kBzip2, "bzip2", "BZh", MakeBzip2Decoder},
    Codec{Compression::kXz,
          "xz",
          {"\xFD"
           "7zXZ\0",
           6},
          MakeXzDecoder},                                                    // xz file format, 2.1.1.1
    Codec{Compression::kZstd, "zstd", "\x28\xB5\x2F\xFD", MakeZstdDecoder},  // RFC 8878, 3.1.1
};

const Codec& CodecOf(Compression compression) noexcept { return kCodecs[static_cast<std::size_t>(compression)]; }

// Frames to be skipped may stand in front of a zstd stream (RFC 8878, 3.1.2), as pzstd writes them. lz4 has the same
// ones: only what follows them tells.
std::span<const std::byte> BehindSkipped(std::span<const std::byte> head) noexcept {
  constexpr std::size_t kFrameHeader = 8;
  constexpr std::uint32_t kSkippable = 0x184D2A5;
  while (head.size() >= kFrameHeader && LoadLe<std::uint32_t>(head.data()) >> 4 == kSkippable) {
    const std::uint64_t length = kFrameHeader + std::uint64_t{LoadLe<std::uint32_t>(head.data() + 4)};
    head = head.subspan(std::min<std::uint64_t>(length, head.size()));
  }
  return head;
}

Error TrailingData() {
  return StreamError(ErrorKind::kCorrupt, "behind the compressed stream there is something else", "trailing data");
}

}  // namespace

std::string_view CompressionName(Compression compression) noexcept { return CodecOf(compression).name; }

std::optional<Compression> FindCompression(std::span<const std::byte> head) noexcept {
  const auto first = BehindSkipped(head);
  const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
  for (const Codec& codec : kCodecs) {
    const bool possible = codec.compression == Compression::kZstd || first.size() == head.size();
    if (possible && text.starts_with(codec.mark)) return codec.compression;
  }
  return std::nullopt;
}

bool StartsWithSkipped(std::span<const std::byte> head) noexcept { return BehindSkipped(head).size() < head.size(); }

std::optional<Compression> FindCompression(std::string_view name) noexcept {
  const auto found = std::ranges::find(kCodecs, name, &Codec::name);
  return found == kCodecs.end() ? std::nullopt : std::optional(found->compression);
}

std::unique_ptr<Decoder> MakeDecoder(Compression compression, MemoryBudget* memory) {
  return CodecOf(compression).make(memory);
}

Error StreamError(ErrorKind kind, std::string what, std::string field, std::string_view found) {
  Error error = Error(kind, std::move(what)).At("compressed stream", std::move(field));
  if (found.empty()) return error;
  return std::move(error).Found(std::string(found));
}

Result<Step> MemberDecoder::PassPadding(std::span<const std::byte> in) {
  const auto zeros = std::ranges::find_if(in, [](std::byte byte) { return byte != std::byte{0}; }) - in.begin();
  padding_ += static_cast<std::uint64_t>(zeros);
  return Step{static_cast<std::size_t>(zeros), 0};
}

bool MemberDecoder::GoesWith(std::span<const std::byte> first, std::string_view mark) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
  return mark.starts_with(text) || text.starts_with(mark);
}

bool MemberDecoder::MarkFits(std::span<const std::byte> in) {
  const auto more = in.first(std::min(in.size(), mark_.size() - marked_));
  std::ranges::copy(more, mark_.begin() + static_cast<std::ptrdiff_t>(marked_));
  marked_ += more.size();
  return CanStart(std::span(mark_).first(marked_));
}

Result<Step> MemberDecoder::Decode(std::span<const std::byte> in, std::span<std::byte> out) {
  if (state_ == State::kBetween) {
    if (in.empty()) return Step{};
    if (!first_ && padding_unit_ != 0 && in.front() == std::byte{0}) return PassPadding(in);
    // GNU gzip and 7-Zip end at the zeros, Python goes on behind gzip's, and xz behind its own.
    if (padding_ != 0) return TrailingData();
    PLATTER_CHECK(Start());
    state_ = State::kInside;
    marked_ = 0;
  }
  // What has a member's mark is one, sound or damaged; what has none is something else. How much a codec makes of
  // either before it stops depends on the pieces in which it gets them.
  if (!first_ && marked_ < kMark && !MarkFits(in)) return TrailingData();
  const Part part = PLATTER_TRY(DecodeMember(in, out));
  if (part.ended) {
    state_ = State::kBetween;
    first_ = false;
  }
  return part.step;
}

Result<> MemberDecoder::End() {
  if (state_ == State::kBetween && !first_ && (padding_unit_ <= 1 || padding_ % padding_unit_ == 0)) return Done{};
  return StreamError(ErrorKind::kCorrupt, "the compressed stream is cut short", "end");
}

}  // namespace platter::codec
