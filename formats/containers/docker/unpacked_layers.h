// What layers unpack to, at any place and on many threads: a gzip stream is taken up again in its middle, a zstd stream
// from its front.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "formats/containers/docker/catalog.h"
#include "formats/containers/docker/layer_stream.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

// Holds places to start from, 256 at most of some 90 KiB each, and a few pieces of 4 MiB of what was read last.
class UnpackedLayers {
 public:
  explicit UnpackedLayers(const Limits& limits) : limits_(limits) {}
  ~UnpackedLayers();
  UnpackedLayers(const UnpackedLayers&) = delete;
  UnpackedLayers& operator=(const UnpackedLayers&) = delete;

  // Reads one more layer from front to back, handing all it unpacks to to `take`, and compares its digests; it is then
  // number size() - 1. Errors as VisitLayer's; `take` runs on another thread. Before the first ReadAt.
  Result<> Add(const Layer& layer, std::shared_ptr<Storage> stored,
               const std::function<Result<>(std::span<const std::byte>)>& take);
  std::size_t size() const noexcept { return sources_.size(); }

  // `out` from byte `offset` of the layer on. Any number of threads: one that would have to wait for a piece that
  // another one unpacks does the piece behind it meanwhile. Reading forwards is fast. kIo where the layer is not what
  // it was when it was added.
  Result<> ReadAt(std::size_t layer, std::uint64_t offset, std::span<std::byte> out);

 private:
  using Key = std::pair<std::size_t, std::uint64_t>;  // layer, number of the piece
  using Bytes = std::shared_ptr<const std::vector<std::byte>>;
  struct Source {
    std::shared_ptr<Storage> stored;
    std::uint64_t size = 0;
    bool plain = false;
    std::map<std::uint64_t, std::unique_ptr<LayerStream>> places;  // by byte, multiples of a piece
    int running = 0;                                               // threads that unpack pieces of it
  };
  struct Piece {
    Bytes bytes;  // null while it is being made
    std::uint64_t used = 0;
  };
  struct Idle {
    Key at;  // the piece that it would make
    std::unique_ptr<LayerStream> stream;
  };
  class Visitor;
  using Lock = std::unique_lock<std::mutex>;

  Result<Bytes> PieceOf(Key key);
  bool StartsAt(Key key) const;
  Result<> Make(Lock& lock, Key key);
  std::unique_ptr<LayerStream> TakeStream(Key key, std::uint64_t& position);
  Result<Bytes> Unpack(const Source& source, Key key, std::unique_ptr<LayerStream>& stream, std::uint64_t position);
  void KeepPlace(Source& source, std::uint64_t position, const LayerStream& stream);
  void Evict();

  Limits limits_;
  std::vector<Source> sources_;
  std::uint64_t spacing_ = std::uint64_t{4} << 20;  // bytes between places
  std::size_t places_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, Piece> pieces_;
  std::list<Idle> idle_;  // the one that was used last is first
  std::uint64_t clock_ = 0;
};

}  // namespace platter::docker
