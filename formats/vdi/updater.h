// Rewrites the guest disk of an existing VDI image in place (convert -n). Blocks that are there are overwritten, others
// get the first free place; zeros are punched into what is there. The header keeps all but the number of allocated
// blocks and the modification UUID.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/entry_table.h"
#include "formats/core/number_set.h"
#include "formats/core/writer.h"
#include "formats/vdi/header.h"
#include "formats/vdi/repeated_places.h"

namespace platter::vdi {

class Updater : public ImageWriter {
 public:
  Updater(const Header& header, const UpdateRequest& request);

  // Reads the map. kCorrupt, kLimit; kUnsupported for a differencing image with huge blocks.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  // The part of a run that lies in one block.
  Result<> PlacePart(Batch& batch, const Run& part);
  Result<std::uint32_t> NewPlace();

  Header header_;
  std::shared_ptr<Storage> storage_;
  Limits limits_;
  EntryWindow map_;
  WriterTraits traits_;
  NumberSet used_;  // places
  std::uint32_t next_place_ = 0;
  std::uint64_t end_ = 0;  // host bytes: of the last place in use
};

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);

}  // namespace platter::vdi
