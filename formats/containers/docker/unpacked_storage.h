// UnpackedStorage: a compressed layer as the file that it unpacks to. Reading forward costs what decompressing costs;
// reading far back starts again at the front.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "formats/containers/docker/layer_stream.h"
#include "formats/core/read_only_storage.h"
#include "formats/core/unpacking.h"

namespace platter::docker {

// One thread.
class UnpackedStorage final : public ReadOnlyStorage {
 public:
  // `size`: bytes that it unpacks to, as MeasureLayer found them. The tally counts them as often as they are
  // decompressed.
  UnpackedStorage(std::shared_ptr<Storage> stored, std::uint64_t size, Unpacking unpacking = {})
      : ReadOnlyStorage(stored->name()), stored_(std::move(stored)), size_(size), unpacking_(std::move(unpacking)) {}

  std::uint64_t size() const noexcept override { return size_; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{size_ - offset, true}; }

 private:
  Result<> Advance();

  std::shared_ptr<Storage> stored_;
  std::uint64_t size_;
  Unpacking unpacking_;
  std::unique_ptr<LayerStream> stream_;  // null before the first read
  std::uint64_t begin_ = 0;              // byte of the layer at which buffer_ starts
  std::vector<std::byte> buffer_;
};

}  // namespace platter::docker
