// Rewrites the guest disk of an existing ploop image in place (convert -n). Clusters that are there are overwritten,
// others get the first free place; zeros are punched into what is there. The image is marked as in use meanwhile.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/entry_table.h"
#include "formats/core/number_set.h"
#include "formats/core/writer.h"
#include "formats/ploop/header.h"

namespace platter::ploop {

class Updater : public ImageWriter {
 public:
  Updater(const Header& header, const UpdateRequest& request);

  // Reads the table. kCorrupt, kLimit; kUnsupported for images that were not closed, or that have dirty bitmaps, which
  // would miss what is changed.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  // The part of a run that lies in one cluster.
  Result<> PlacePart(Batch& batch, const Run& part);
  Result<std::uint32_t> NewEntry();
  Result<> MarkInUse(std::uint32_t mark);

  Header header_;
  std::shared_ptr<Storage> storage_;
  Limits limits_;
  EntryWindow table_;
  WriterTraits traits_;
  NumberSet used_;      // places
  bool begun_ = false;  // the image is marked as open
  std::uint32_t next_place_ = 0;
  std::uint64_t end_ = 0;  // host bytes: of the last place in use
};

}  // namespace platter::ploop
