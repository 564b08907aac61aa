#include "formats/containers/codec/unpacked_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/driver.h"

namespace platter::codec {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr std::uint64_t kOnTop = std::uint64_t{256} << 30;
constexpr std::size_t kMostMarks = 96;
constexpr std::uint64_t kMarks = std::uint64_t{8} << 20;  // bytes of them, at most
constexpr std::uint64_t kFirstSpacing = std::uint64_t{4} << 20;

}  // namespace

Bound OwnBound(Compression compression) noexcept {
  switch (compression) {
    case Compression::kGzip:
      return {kOnTop, kDeflateRatio};
    case Compression::kBzip2:
      return {kOnTop, std::uint64_t{1} << 21};  // 46 MB of zeros in some 32 bytes, which two run lengths in a row make
    case Compression::kXz:
      return {kOnTop, std::uint64_t{1} << 13};
    case Compression::kZstd:
      return {kOnTop, std::uint64_t{1} << 15};  // 128 KiB in a block of four bytes
  }
  return {kOnTop, kDeflateRatio};
}

std::uint64_t MostUnpacked(std::uint64_t stored, const Bound& bound) noexcept {
  const auto by_ratio = CheckedMultiply(stored, bound.ratio);
  return by_ratio ? CheckedAdd(*by_ratio, bound.on_top).value_or(UINT64_MAX) : UINT64_MAX;
}

Error TooLarge(std::uint64_t stored, const Bound& bound) {
  const std::uint64_t most = MostUnpacked(stored, bound);
  return Error(ErrorKind::kLimit, "the stream unpacks to more than any sound one does")
      .At("compressed stream", "size")
      .Found(fmt::format("more than {} bytes", most))
      .Allowed(fmt::format("at most {} for {} stored bytes", most, stored));
}

UnpackedStorage::UnpackedStorage(std::shared_ptr<Storage> stored, Compression compression, Unpacking unpacking)
    : ReadOnlyStorage(stored->name()),
      stored_(std::move(stored)),
      compression_(compression),
      unpacking_(std::move(unpacking)),
      share_(unpacking_.memory, kHeld + kMarks),
      spacing_(kFirstSpacing) {
  marks_.emplace_back();
}

Result<std::optional<Compression>> FindCompression(Storage& stored) {
  std::vector<std::byte> head(std::min<std::uint64_t>(ProbeInput::kHead, stored.size()));
  PLATTER_CHECK(stored.ReadAt(0, head));
  return FindCompression(head);
}

Result<std::shared_ptr<UnpackedStorage>> UnpackedStorage::Make(std::shared_ptr<Storage> stored, Compression compression,
                                                               const Bound& bound, Unpacking unpacking) {
  if (PLATTER_TRY(FindCompression(*stored)) != compression) {
    return Error(ErrorKind::kNotThisFormat, fmt::format("not a {} stream", CompressionName(compression)))
        .In(stored->name());
  }
  std::shared_ptr<UnpackedStorage> unpacked(new UnpackedStorage(std::move(stored), compression, std::move(unpacking)));
  auto measured = unpacked->Measure(bound);
  if (!measured.ok()) return std::move(measured).error().In(unpacked->name());
  return unpacked;
}

Result<> UnpackedStorage::Measure(const Bound& bound) {
  const std::uint64_t most = MostUnpacked(stored_->size(), bound);
  Cursor cursor;
  Restart(cursor, marks_.front());
  std::vector<std::byte> piece(kPiece);
  for (bool more = true; more;) {
    const std::size_t length = PLATTER_TRY(Decompress(cursor, piece));
    more = length == piece.size();
    if (cursor.unpacked > most) return TooLarge(stored_->size(), bound);
    if (more && cursor.unpacked - marks_.back().unpacked >= spacing_) AddMark(cursor);
  }
  size_ = cursor.unpacked;
  decompressed_ = 0;
  return Done{};
}

void UnpackedStorage::AddMark(const Cursor& cursor) {
  Mark mark{cursor.unpacked, cursor.stored, cursor.decoder->Clone()};
  if (mark.state == nullptr && !cursor.decoder->at_member()) return;
  marks_.push_back(std::move(mark));
  if (marks_.size() <= kMostMarks) return;
  // Every other one goes, and those to come are as far apart as those that are left.
  for (std::size_t at = 1; 2 * at < marks_.size(); ++at) marks_[at] = std::move(marks_[2 * at]);
  marks_.resize((marks_.size() + 1) / 2);
  spacing_ *= 2;
}

void UnpackedStorage::Restart(Cursor& cursor, const Mark& mark) {
  cursor.decoder = mark.state == nullptr ? MakeDecoder(compression_, unpacking_.memory) : mark.state->Clone();
  cursor.unpacked = mark.unpacked;
  cursor.stored = mark.stored;
  cursor.input.clear();
  cursor.input_at = 0;
}

Result<> UnpackedStorage::Refill(Cursor& cursor) {
  const std::uint64_t left = stored_->size() - cursor.stored;
  cursor.input.resize(std::min<std::uint64_t>(kPiece, left));
  cursor.input_at = 0;
  return stored_->ReadAt(cursor.stored, cursor.input);
}

Result<std::size_t> UnpackedStorage::Decompress(Cursor& cursor, std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (cursor.input_at == cursor.input.size()) PLATTER_CHECK(Refill(cursor));
    const auto input = std::span(cursor.input).subspan(cursor.input_at);
    auto step = cursor.decoder->Decode(input, out.subspan(filled));
    if (!step.ok()) return std::move(step).error();
    cursor.input_at += step.value().taken;
    cursor.stored += step.value().taken;
    filled += step.value().made;
    if (step.value().made != 0 || step.value().taken != 0) continue;
    if (!input.empty()) return Error(ErrorKind::kCorrupt, "a stream stands still").At("compressed stream", "data");
    PLATTER_CHECK(cursor.decoder->End());
    break;
  }
  cursor.unpacked += filled;
  decompressed_ += filled;
  if (unpacking_.tally) unpacking_.tally(filled);
  return filled;
}

Result<UnpackedStorage::Cursor*> UnpackedStorage::CursorFor(std::uint64_t offset) {
  const auto behind = std::ranges::upper_bound(marks_, offset, {}, &Mark::unpacked);
  const Mark& mark = *std::prev(behind);
  Cursor* best = nullptr;
  for (Cursor& cursor : cursors_) {
    const bool reaches = cursor.decoder != nullptr && cursor.unpacked <= offset && cursor.unpacked >= mark.unpacked;
    if (reaches && (best == nullptr || cursor.unpacked > best->unpacked)) best = &cursor;
  }
  if (best == nullptr) {
    const std::uint64_t most = CheckedMultiply(size_, kMostPasses).value_or(UINT64_MAX);
    if (decompressed_ > most && decompressed_ > kHeld) {
      return Error(ErrorKind::kUnsupported, "reading goes back too often in a stream that is read from its front")
          .In(name())
          .At("compressed stream", "order")
          .Try(fmt::format("unpack the file with {} first", CompressionName(compression_)));
    }
    best = &*std::ranges::min_element(cursors_, {}, &Cursor::used);
    Restart(*best, mark);
  }
  best->used = ++uses_;
  return best;
}

void UnpackedStorage::Hold(std::uint64_t number, Chunk bytes) {
  if (held_.contains(number)) return;
  ages_.push_front(number);
  held_[number] = {std::move(bytes), ages_.begin()};
  if (held_.size() <= kHeld / kChunk) return;
  held_.erase(ages_.back());
  ages_.pop_back();
}

Result<UnpackedStorage::Chunk> UnpackedStorage::ChunkAt(std::uint64_t number) {
  if (const auto found = held_.find(number); found != held_.end()) {
    ages_.splice(ages_.begin(), ages_, found->second.age);
    return found->second.bytes;
  }
  Cursor& cursor = *PLATTER_TRY(CursorFor(number * kChunk));
  while (true) {
    const std::uint64_t begin = cursor.unpacked;
    const std::uint64_t end = std::min(AlignUp(begin + 1, kChunk), size_);
    auto bytes = std::make_shared<std::vector<std::byte>>(end - begin);
    auto length = Decompress(cursor, *bytes);
    // Whatever state it is in, nothing goes on from here.
    if (!length.ok() || length.value() != bytes->size()) cursor.decoder = nullptr;
    if (!length.ok()) return std::move(length).error();
    if (length.value() != bytes->size()) {
      return Error(ErrorKind::kIo, "the file unpacks to less than before").In(name());
    }
    if (begin % kChunk != 0) continue;
    Hold(begin / kChunk, bytes);
    if (begin / kChunk == number) return Chunk(std::move(bytes));
  }
}

Result<> UnpackedStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    Chunk chunk;
    {
      const std::lock_guard lock(mutex_);
      chunk = PLATTER_TRY(ChunkAt(offset / kChunk));
    }
    const auto here = std::span(*chunk).subspan(offset % kChunk);
    const std::size_t length = std::min(here.size(), out.size());
    std::memcpy(out.data(), here.data(), length);
    offset += length;
    out = out.subspan(length);
  }
  return Done{};
}

Result<DataRun> UnpackedStorage::DoDataMap(std::uint64_t offset) { return DataRun{size_ - offset, true}; }

}  // namespace platter::codec
