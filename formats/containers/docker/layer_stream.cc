#include "formats/containers/docker/layer_stream.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "formats/containers/codec/decoder.h"
#include "formats/containers/codec/unpacked_storage.h"
#include "formats/containers/codec/zstd_stream.h"

namespace platter::docker {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

struct Mark {
  std::string_view bytes;
  std::optional<Compression> compression;  // none: known, and not read
  std::string_view name;
};
constexpr std::array kMarks = {
    Mark{"\x1F\x8B\x08", Compression::kGzip, "gzip"},      // RFC 1952, 2.3.1
    Mark{"\x28\xB5\x2F\xFD", Compression::kZstd, "zstd"},  // RFC 8878, 3.1.1
    Mark{"BZh", std::nullopt, "bzip2"},
    Mark{"\xFD"
         "7zXZ",
         std::nullopt, "xz"},
    Mark{"\x04\x22\x4D\x18", std::nullopt, "lz4"},
};

Error Damaged(std::string what, std::string_view found) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("layer", "compression").Found(std::string(found));
}

// What is stored, front to back.
class StoredBytes {
 public:
  StoredBytes(std::shared_ptr<Storage> stored, Hasher* digest) : stored_(std::move(stored)), digest_(digest) {}

  // The same from `unused` bytes before here, which have not been used.
  StoredBytes Again(std::size_t unused) const {
    StoredBytes again(stored_, nullptr);
    again.at_ = at_ - unused;
    return again;
  }

  // The bytes that follow; none at the end.
  Result<std::span<std::byte>> Next() {
    piece_.resize(std::min<std::uint64_t>(kPiece, stored_->size()));
    const auto piece = std::span(piece_).first(std::min<std::uint64_t>(piece_.size(), stored_->size() - at_));
    PLATTER_CHECK(stored_->ReadAt(at_, piece));
    at_ += piece.size();
    if (digest_ != nullptr) digest_->Add(piece);
    return piece;
  }

  // The same into `out`; fewer at the end.
  Result<std::size_t> Read(std::span<std::byte> out) {
    const auto part = out.first(std::min<std::uint64_t>(out.size(), stored_->size() - at_));
    PLATTER_CHECK(stored_->ReadAt(at_, part));
    at_ += part.size();
    if (digest_ != nullptr) digest_->Add(part);
    return part.size();
  }

 private:
  std::shared_ptr<Storage> stored_;
  Hasher* digest_;
  std::vector<std::byte> piece_;
  std::uint64_t at_ = 0;  // host byte in `stored_`
};

class PlainStream : public LayerStream {
 public:
  explicit PlainStream(StoredBytes stored) : stored_(std::move(stored)) {}
  Result<std::size_t> Read(std::span<std::byte> out) override { return stored_.Read(out); }

 private:
  StoredBytes stored_;
};

class GzipStream : public LayerStream {
 public:
  explicit GzipStream(StoredBytes stored) : stored_(std::move(stored)), state_(std::make_unique<inflate_state>()) {
    Restart();
  }

  // The state has all that the stream can refer back to.
  std::unique_ptr<LayerStream> Clone() const override {
    auto clone = std::make_unique<GzipStream>(stored_.Again(rest_.size()));
    *clone->state_ = *state_;
    clone->between_ = between_;
    return clone;
  }

  Result<std::size_t> Read(std::span<std::byte> out) override {
    std::size_t filled = 0;
    while (filled < out.size()) {
      if (rest_.empty() && !stored_ended_) {
        rest_ = PLATTER_TRY(stored_.Next());
        stored_ended_ = rest_.empty();
      }
      const std::size_t made = PLATTER_TRY(Step(out.subspan(filled)));
      filled += made;
      if (made == 0 && stored_ended_) {
        if (between_) break;
        return Damaged("the layer ends within its gzip stream", "the end");
      }
    }
    return filled;
  }

 private:
  void Restart() {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
    between_ = true;
  }

  Result<std::size_t> Step(std::span<std::byte> out) {
    // Between members there is nothing that could be made out of nothing.
    if (between_ && rest_.empty()) return std::size_t{0};
    const auto wanted = std::min<std::size_t>(out.size(), std::numeric_limits<std::uint32_t>::max());
    state_->next_in = reinterpret_cast<std::uint8_t*>(rest_.data());
    state_->avail_in = static_cast<std::uint32_t>(rest_.size());
    state_->next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_->avail_out = static_cast<std::uint32_t>(wanted);
    between_ = false;
    const int code = isal_inflate(state_.get());
    // Behind a symbol that there is not, ISA-L's counts mean nothing.
    if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT) {
      return Damaged("the layer's gzip stream is damaged", code == ISAL_INCORRECT_CHECKSUM ? "checksum" : "data");
    }
    rest_ = rest_.last(state_->avail_in);
    const std::size_t made = wanted - state_->avail_out;
    if (state_->block_state == ISAL_BLOCK_FINISH) Restart();
    return made;
  }

  StoredBytes stored_;
  std::unique_ptr<inflate_state> state_;
  std::span<std::byte> rest_;  // stored, and not decompressed yet
  bool stored_ended_ = false;
  bool between_ = true;  // at the start of a member, or behind the last one
};

class ZstdStream : public LayerStream {
 public:
  ZstdStream(StoredBytes stored, MemoryBudget* memory) : stored_(std::move(stored)), frames_(memory) {}

  Result<std::size_t> Read(std::span<std::byte> out) override {
    std::size_t filled = 0;
    while (filled < out.size()) {
      if (rest_.empty() && !stored_ended_) {
        rest_ = PLATTER_TRY(stored_.Next());
        stored_ended_ = rest_.empty();
      }
      if (between_ && stored_ended_) break;
      const auto part = frames_.Decode(rest_, out.subspan(filled));
      if (part.damage != codec::ZstdStream::Damage::kNone) return Failure(part);
      rest_ = rest_.subspan(part.taken);
      filled += part.made;
      between_ = part.ended;
      if (!between_ && stored_ended_ && part.made == 0) {
        return Damaged("the layer ends within its zstd frame", "the end");
      }
    }
    return filled;
  }

 private:
  static Error Failure(const codec::ZstdStream::Part& part) {
    if (part.damage != codec::ZstdStream::Damage::kWindow) {
      return Damaged("the layer's zstd stream is damaged", part.text);
    }
    return Error(ErrorKind::kLimit, "the layer asks for too large a window")
        .At("layer", "compression")
        .Allowed("128 MiB");
  }

  StoredBytes stored_;
  codec::ZstdStream frames_;
  std::span<std::byte> rest_;  // stored, and not decompressed yet
  bool stored_ended_ = false;
  bool between_ = true;
};

}  // namespace

std::string_view CompressionName(Compression compression) noexcept {
  constexpr std::string_view kNames[] = {"", "gzip", "zstd"};
  return kNames[static_cast<std::size_t>(compression)];
}

Result<Compression> FindCompression(Storage& stored) {
  std::array<char, 8> head{};
  const auto part = std::span(head).first(std::min<std::uint64_t>(head.size(), stored.size()));
  PLATTER_CHECK(stored.ReadAt(0, std::as_writable_bytes(part)));
  const std::string_view text(part.data(), part.size());
  for (const Mark& mark : kMarks) {
    if (!text.starts_with(mark.bytes)) continue;
    if (mark.compression) return *mark.compression;
    return Error(ErrorKind::kUnsupported, "the layer is compressed in a way that is not read")
        .In(stored.name())
        .At("layer", "compression")
        .Found(std::string(mark.name))
        .Allowed("gzip, zstd, none");
  }
  if (codec::StartsWithSkipped(std::as_bytes(part)) &&
      PLATTER_TRY(codec::FindCompression(stored)) == codec::Compression::kZstd) {
    return Compression::kZstd;
  }
  return Compression::kNone;
}

Result<std::unique_ptr<LayerStream>> LayerStream::Open(std::shared_ptr<Storage> stored, Hasher* digest,
                                                       MemoryBudget* memory) {
  const Compression compression = PLATTER_TRY(FindCompression(*stored));
  StoredBytes bytes(std::move(stored), digest);
  std::unique_ptr<LayerStream> stream;
  if (compression == Compression::kGzip) {
    stream = std::make_unique<GzipStream>(std::move(bytes));
  } else if (compression == Compression::kZstd) {
    stream = std::make_unique<ZstdStream>(std::move(bytes), memory);
  } else {
    stream = std::make_unique<PlainStream>(std::move(bytes));
  }
  return stream;
}

}  // namespace platter::docker
