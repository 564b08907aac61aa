// What the files of a new appliance hold, in any packing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "formats/containers/ovf/machine.h"
#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/writer.h"

namespace platter::ovf {

struct NewTexts {
  std::string descriptor;
  std::string manifest;  // with the SHA-256 of both files
};

// What the writers of an appliance have in common: its disk is made by the disk's own writer.
class ApplianceWriter : public ImageWriter {
 public:
  const WriterTraits& traits() const noexcept override { return writer_->traits(); }
  Result<> Encode(Batch& batch) override { return writer_->Encode(batch); }
  Result<> Place(Batch& batch) override { return writer_->Place(batch); }
  Result<> Store(Batch& batch) override { return writer_->Store(batch); }

 protected:
  explicit ApplianceWriter(Machine machine) : machine_(std::move(machine)) {}
  // The disk of `request` goes into `storage`, which is empty, as a streamOptimized VMDK. `disk_format`: vmdk's driver.
  Result<> StartDisk(const CreateRequest& request, std::shared_ptr<Storage> storage, const FormatDriver& disk_format);
  // Ends the disk, and reads it for its digest. kIo.
  Result<NewTexts> FinishDisk();

  const Machine& machine() const noexcept { return machine_; }
  std::uint64_t disk_size() const noexcept { return disk_->size(); }  // bytes of the disk's file

 private:
  Machine machine_;
  std::shared_ptr<Storage> disk_;
  std::unique_ptr<ImageWriter> writer_;
};

// As long as the manifest will be, without the digests.
std::string EmptyManifest(const Machine& machine);

}  // namespace platter::ovf
