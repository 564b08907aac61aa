// Writes a new VDI image: blocks in the order of the guest disk, the map as it is complete, the header last.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/entry_table.h"
#include "formats/core/writer.h"
#include "formats/vdi/create_options.h"

namespace platter::vdi {

class Writer : public ImageWriter {
 public:
  Writer(CreateOptions options, std::shared_ptr<Storage> storage);

  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  // Data that lies in one block.
  Result<> PlacePart(Batch& batch, const Run& part);
  // The place of guest block `block`, which the map gets now if it has not yet. Requires: not before the last one.
  Result<std::uint32_t> PlaceOf(std::uint32_t block);
  // Entries for the blocks in front of `block` that have none yet.
  Result<> FillMapTo(std::uint32_t block);
  // Of a device, whose old content must not show through.
  Result<> ClearPlace(std::uint32_t place);

  CreateOptions options_;
  std::shared_ptr<Storage> storage_;
  WriterTraits traits_;
  EntryAppender map_;
  std::uint32_t next_place_ = 0;
  std::uint32_t last_place_ = 0;  // of the block that got its entry last
};

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);

}  // namespace platter::vdi
