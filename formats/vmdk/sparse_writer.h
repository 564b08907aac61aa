// Builds a new image out of hosted sparse extents: monolithicSparse, one that is the image file, and
// twoGbMaxExtentSparse, one for each 2 GiB and a descriptor in the image file.
#pragma once

#include <memory>
#include <vector>

#include "formats/core/writer.h"
#include "formats/vmdk/create_options.h"
#include "formats/vmdk/sparse_extent.h"

namespace platter::vmdk {

class SparseWriter : public ImageWriter {
 public:
  // `files`: of the extents, in order; for monolithicSparse the image file alone.
  SparseWriter(CreateOptions options, std::shared_ptr<Storage> image,
               const std::vector<std::shared_ptr<Storage>>& files);

  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  struct Part {
    std::uint64_t begin = 0;  // guest bytes
    std::uint64_t end = 0;
    SparseExtent extent;
  };

  Result<> PlaceRun(Batch& batch, const Run& run);

  CreateOptions options_;
  std::shared_ptr<Storage> image_;
  WriterTraits traits_;
  std::vector<Part> parts_;
  std::size_t current_ = 0;  // the part that the last run ended in
};

}  // namespace platter::vmdk
