// Writes a new ploop image of version 2: clusters in the order of the guest disk, the allocation table as it is
// complete, the header last.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/entry_table.h"
#include "formats/core/writer.h"
#include "formats/ploop/create_options.h"

namespace platter::ploop {

class Writer : public ImageWriter {
 public:
  Writer(const CreateOptions& options, std::shared_ptr<Storage> storage);

  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  // Data that lies in one cluster.
  Result<> PlacePart(Batch& batch, const Run& part);
  // Host offset of guest cluster `cluster`, which gets its place now if it has none yet. Requires: not before the last
  // one.
  Result<std::uint64_t> HostOf(std::uint32_t cluster);
  // Entries for the clusters in front of `cluster` that have none yet.
  Result<> FillTableTo(std::uint32_t cluster);
  // Of a device, whose old content must not show through.
  Result<> ClearPlace(std::uint32_t place);
  std::uint32_t EntryAt(std::uint32_t place) const noexcept;

  CreateOptions options_;
  std::shared_ptr<Storage> storage_;
  WriterTraits traits_;
  EntryAppender table_;
  std::uint32_t next_place_ = 0;
  std::uint32_t last_place_ = 0;  // of the cluster that got its entry last
};

}  // namespace platter::ploop
