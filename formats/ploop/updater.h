// Rewrites the guest disk of an existing ploop image in place (convert -n). Clusters that are there are overwritten,
// others get the first free place; zeros are punched into what is there. The image is marked as in use meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "formats/core/driver.h"
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
  Result<> Store(Batch& batch) override;
  Result<> Finish() override;

 private:
  Result<> PlaceRun(Batch& batch, const Run& run);
  // The part of a run that lies in one cluster.
  Result<> PlacePart(Batch& batch, const Run& part);
  Result<std::uint32_t> Entry(std::uint32_t cluster);
  // Requires: Entry was asked for the same cluster before.
  void SetEntry(std::uint32_t cluster, std::uint32_t entry);
  Result<std::uint32_t> NewEntry();
  Result<> WriteTable();
  Result<> MarkInUse(std::uint32_t mark);

  Header header_;
  std::shared_ptr<Storage> storage_;
  Limits limits_;
  WriterTraits traits_;
  NumberSet used_;  // places
  std::uint32_t next_place_ = 0;
  std::uint64_t end_ = 0;  // host bytes: of the last place in use
  std::mutex punch_mutex_;

  std::uint64_t table_first_ = 0;  // cluster of the first entry in table_
  bool table_dirty_ = false;
  std::vector<std::byte> table_;  // a part of the table
};

}  // namespace platter::ploop
