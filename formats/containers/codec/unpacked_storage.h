// UnpackedStorage: a compressed file as the file that it unpacks to. Nothing is unpacked to anywhere: what is asked for
// is decompressed when it is. One pass over the stream finds its length and its damages, and leaves marks from which
// decompressing can start again.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "formats/containers/codec/decoder.h"
#include "formats/core/read_only_storage.h"
#include "formats/core/unpacking.h"

namespace platter::codec {

inline constexpr std::uint64_t kDeflateRatio = 1032;  // the best that deflate can do: 258 bytes in two bits

// What a stream may unpack to: so many times the stored bytes, and so many bytes on top. What comes from strangers is
// held to deflate's ratio whatever packs it, with little on top.
struct Bound {
  std::uint64_t on_top = 0;
  std::uint64_t ratio = kDeflateRatio;
};
inline constexpr std::uint64_t kOnTopOfUploads = std::uint64_t{1} << 30;
// For whoever reads files of his own: what the codec can do at its best, which it does with a disk of zeros.
Bound OwnBound(Compression compression) noexcept;

// What a stream of so many stored bytes may unpack to.
std::uint64_t MostUnpacked(std::uint64_t stored, const Bound& bound) noexcept;
// The error beyond that.
Error TooLarge(std::uint64_t stored, const Bound& bound);

// By the first bytes of a stored stream, as many as FindCompression wants. kIo.
Result<std::optional<Compression>> FindCompression(Storage& stored);

// Reading forward costs what decompressing costs. Reading back costs a restart at the last mark: of gzip there are up
// to 96 all over the stream, of the others one where each member begins, as tools make them that compress in parallel.
// What was read last is held, and there are two places from which reading goes on. A reader who starts again too often
// is told so: the bytes that are decompressed in all are limited to kMostPasses times the whole.
//
// Holds kHeld bytes, 8 MiB for marks, and what two decoders take. Thread rule: as Storage's reads.
class UnpackedStorage final : public ReadOnlyStorage {
 public:
  static constexpr std::uint64_t kChunk = std::uint64_t{256} << 10;
  static constexpr std::uint64_t kHeld = std::uint64_t{16} << 20;
  static constexpr std::uint64_t kMostPasses = 16;

  // Reads all of `stored`. kNotThisFormat where it does not begin as `compression` does; kLimit beyond MostUnpacked; as
  // Decoder; kIo. The tally counts what is decompressed, now and later, as often as it is; what is held for reading
  // counts as decoders do.
  static Result<std::shared_ptr<UnpackedStorage>> Make(std::shared_ptr<Storage> stored, Compression compression,
                                                       const Bound& bound, Unpacking unpacking = {});

  std::uint64_t size() const noexcept override { return size_; }
  std::uint64_t allocated_size() const noexcept override { return stored_->allocated_size(); }
  std::optional<StorageIdentity> identity() const noexcept override { return stored_->identity(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;

 private:
  using Chunk = std::shared_ptr<const std::vector<std::byte>>;

  // A place in the stream.
  struct Mark {
    std::uint64_t unpacked = 0;
    std::uint64_t stored = 0;
    std::unique_ptr<Decoder> state;  // null: a new decoder goes on here
  };
  struct Cursor {
    std::unique_ptr<Decoder> decoder;  // null: not in use
    std::uint64_t unpacked = 0;
    std::uint64_t stored = 0;      // bytes that the decoder has taken
    std::vector<std::byte> input;  // those that follow
    std::size_t input_at = 0;
    std::uint64_t used = 0;  // when, by uses_
  };
  struct Held {
    Chunk bytes;
    std::list<std::uint64_t>::iterator age;
  };

  UnpackedStorage(std::shared_ptr<Storage> stored, Compression compression, Unpacking unpacking);
  Result<> Measure(const Bound& bound);
  // Fills `out` as far as the stream goes.
  Result<std::size_t> Decompress(Cursor& cursor, std::span<std::byte> out);
  Result<> Refill(Cursor& cursor);
  void AddMark(const Cursor& cursor);
  // The cursor that gets to `offset` with the least work, at or before it.
  Result<Cursor*> CursorFor(std::uint64_t offset);
  void Restart(Cursor& cursor, const Mark& mark);
  Result<Chunk> ChunkAt(std::uint64_t number);
  void Hold(std::uint64_t number, Chunk bytes);

  std::shared_ptr<Storage> stored_;
  Compression compression_;
  Unpacking unpacking_;
  MemoryBudget::Share share_;  // for what is held, and the marks
  std::uint64_t size_ = 0;
  std::vector<Mark> marks_;  // in order; the first is the front
  std::uint64_t spacing_;    // unpacked bytes between two of them, at least
  std::mutex mutex_;         // for what follows
  std::array<Cursor, 2> cursors_;
  std::uint64_t uses_ = 0;
  std::uint64_t decompressed_ = 0;  // bytes, since the stream was measured
  std::unordered_map<std::uint64_t, Held> held_;
  std::list<std::uint64_t> ages_;  // numbers of chunks, the one that was used last in front
};

}  // namespace platter::codec
