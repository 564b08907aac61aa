// A layer on its way into a file: compressed by several threads, the same bytes whatever their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <span>
#include <vector>

#include "formats/containers/docker/author.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

// Takes what the layer is to unpack to. Pieces of 1 MiB become gzip members (RFC 1952) or zstd frames of their own, one
// behind the other, which every reader of layers takes for one stream. Holds a few pieces. One thread calls.
class LayerWriter {
 public:
  // Writes to `target` from byte `offset` on. `workers`: threads that compress.
  LayerWriter(Storage& target, std::uint64_t offset, Compression compression, unsigned workers);
  ~LayerWriter();
  LayerWriter(const LayerWriter&) = delete;
  LayerWriter& operator=(const LayerWriter&) = delete;

  Result<> Add(std::span<const std::byte> bytes);
  // What has become of it.
  Result<NewLayer> Finish();

 private:
  using Bytes = std::vector<std::byte>;

  Result<> Send();
  Result<> StoreFirst();

  Storage& target_;
  std::uint64_t offset_;
  Compression compression_;
  unsigned workers_;
  Bytes piece_;
  std::deque<std::future<Result<Bytes>>> compressing_;
  Hasher unpacked_;
  Hasher stored_;
  std::uint64_t stored_size_ = 0;
  bool any_ = false;  // a piece has been sent
};

}  // namespace platter::docker
