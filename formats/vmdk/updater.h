// Rewrites the guest disk of an existing image in place (convert -n): flat extents, and sparse ones that are not
// compressed. Grains that are there are overwritten, others get the first free place; zeros are punched into what is
// there. The disk gets another CID before anything else changes, so that its children see that it is not the one they
// were made on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/writer.h"
#include "formats/vmdk/extent_updater.h"
#include "formats/vmdk/reader.h"

namespace platter::vmdk {

class Updater : public ImageWriter {
 public:
  Updater(const UpdateRequest& request, const Foundation& foundation, std::vector<ExtentFile> extents);

  // Looks through all extents, and changes nothing. As ExtentUpdater::Check; kUnsupported for a record of changed
  // blocks, for huge grains over a parent and for a descriptor without room; kCorrupt for extents over each other.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  Result<> CheckExtentsApart() const;
  Result<> PrepareCid();
  Result<> ChangeCid();
  Result<> PlaceRun(Batch& batch, const Run& run);
  Result<> EnterExtent(std::size_t index);

  std::shared_ptr<Storage> storage_;
  Limits limits_;
  Foundation foundation_;
  std::vector<ExtentFile> extents_;
  std::vector<ExtentUpdater> updaters_;  // of the extents, in their order
  WriterTraits traits_;
  std::size_t open_ = 0;  // the extent that was placed into last
  bool changed_ = false;  // the CID is
  // What has to be written of the descriptor for another CID, and where; empty where it has none.
  std::string new_text_;
  std::uint64_t new_text_offset_ = 0;
};

// FormatDriver::update.
Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request);

}  // namespace platter::vmdk
