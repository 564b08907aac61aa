// Builds a new VHDX image: header section, log, metadata, block allocation table, then the payload blocks in guest
// order. Which blocks are there depends on the guest disk's content and the options, never on how it was cut into
// batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/vhdx/bat_writer.h"
#include "formats/vhdx/create_options.h"
#include "formats/vhdx/header.h"

namespace platter::vhdx {

// Where the parts of a new file lie, in host bytes.
struct FileLayout {
  Region log;
  Region metadata;
  Region bat;
  std::uint64_t payload = 0;
};
FileLayout LayOut(const CreateOptions& options) noexcept;

class Writer : public ImageWriter {
 public:
  Writer(CreateOptions options, std::shared_ptr<Storage> storage);

  // Makes sure that the file has no valid header.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  static constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};

  // The block that is being filled. Its entry is settled when the next one begins.
  struct OpenBlock {
    std::uint64_t index = kNoBlock;
    std::uint64_t host = 0;  // 0: no place yet
    bool zero = false;       // parts of it are zeros
    bool backing = false;    // parts of it are the parent's
  };

  Result<> PlaceRun(Batch& batch, const Run& run);
  Result<> PlaceInBlock(Batch& batch, const Run& part);
  // Passes over whole blocks of one kind, none of which is open.
  Result<> PassBlocks(Batch& batch, Run::Kind kind, std::uint64_t first, std::uint64_t count);
  // Places what lies between the last batch and `guest_offset`.
  Result<> AdvanceTo(Batch& batch, std::uint64_t guest_offset);

  Result<> OpenBlockAt(std::uint64_t index);
  Result<> CloseBlock(Batch& batch);
  void AllocateOpenBlock(Batch& batch, std::uint64_t filled);
  // Of a device, whose old content must not show through: a new file reads as zero by itself.
  void ClearPlace(Batch& batch, std::uint64_t host, std::uint64_t length);

  void MarkSectors(std::uint64_t guest_offset, std::uint64_t length);
  Result<> EnterChunk(std::uint64_t chunk);
  Result<> CloseChunk();
  Result<> WriteHeaders();

  CreateOptions options_;
  const Geometry& geometry_;
  std::shared_ptr<Storage> storage_;
  WriterTraits traits_;
  FileLayout layout_;
  BatWriter bat_;
  std::uint64_t next_host_;     // where the next block goes
  std::uint64_t position_ = 0;  // guest bytes: everything below is placed
  OpenBlock block_;
  std::uint64_t chunk_ = 0;
  bool chunk_has_partial_ = false;
  std::vector<std::byte> bitmap_;  // of the chunk; empty without a parent
};

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);

}  // namespace platter::vhdx
