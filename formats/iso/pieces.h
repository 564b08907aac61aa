// A file inside an image as a Storage of its own: pieces of another Storage, one after another, some of them holes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/read_only_storage.h"
#include "formats/core/result.h"

namespace platter::iso {

class PiecesStorage : public ReadOnlyStorage {
 public:
  struct Piece {
    std::uint64_t length = 0;                  // bytes
    std::optional<std::uint64_t> host_offset;  // empty: reads as zero
  };

  PiecesStorage(std::string name, std::shared_ptr<Storage> whole)
      : ReadOnlyStorage(std::move(name)), whole_(std::move(whole)) {}

  // Adds a piece behind the others. Requires: not yet shared with another thread, and the size does not wrap.
  void Add(Piece piece);

  std::uint64_t size() const noexcept override { return size_; }

 protected:
  // kCorrupt where a piece reaches past the end of the image.
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;

 private:
  struct Placed {
    std::uint64_t start;  // in this file
    Piece piece;
  };
  const Placed& Find(std::uint64_t offset) const;

  std::shared_ptr<Storage> whole_;
  std::vector<Placed> pieces_;
  std::uint64_t size_ = 0;
};

}  // namespace platter::iso
