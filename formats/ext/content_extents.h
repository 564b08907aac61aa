// A new volume as it is read: tables out of memory, files out of their sources.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/read_only_storage.h"
#include "formats/ext/block_store.h"
#include "formats/ext/new_volume.h"

namespace platter::ext {

// A run of blocks with a part of a file.
struct ContentExtent {
  std::uint64_t block = 0;   // the first one
  std::uint64_t bytes = 0;   // of content; the rest of the last block is zeros
  std::uint64_t offset = 0;  // in the source
  std::uint32_t source = 0;

  std::uint64_t end() const noexcept { return block + (bytes + BlockStore::kBlock - 1) / BlockStore::kBlock; }
};

class ContentVolume : public ReadOnlyStorage {
 public:
  // Requires: extents ascend and do not overlap.
  ContentVolume(std::uint64_t size, std::unique_ptr<BlockStore> tables, std::vector<ContentExtent> extents,
                std::shared_ptr<ContentSource> content)
      : ReadOnlyStorage("ext4 file system"),
        size_(size),
        tables_(std::move(tables)),
        extents_(std::move(extents)),
        content_(std::move(content)) {}

  std::uint64_t size() const noexcept override { return size_; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;

 private:
  // The first extent that ends behind the block.
  std::vector<ContentExtent>::const_iterator Behind(std::uint64_t block) const;

  std::uint64_t size_;
  std::unique_ptr<BlockStore> tables_;
  std::vector<ContentExtent> extents_;
  std::shared_ptr<ContentSource> content_;
};

}  // namespace platter::ext
