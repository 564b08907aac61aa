// Builds a new image out of flat extents, which hold the guest disk's bytes as they are: monolithicFlat in one file and
// twoGbMaxExtentFlat in one for each 2 GiB. The descriptor, which makes them an image, is written last.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/core/storage.h"
#include "formats/core/writer.h"
#include "formats/vmdk/create_options.h"

namespace platter::vmdk {

class FlatWriter : public ImageWriter {
 public:
  // `files`: of the extents, in order.
  FlatWriter(CreateOptions options, std::shared_ptr<Storage> image, const std::vector<std::shared_ptr<Storage>>& files);

  // Gives the files their full size.
  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  struct Part {
    std::uint64_t begin = 0;  // guest bytes
    std::uint64_t end = 0;
    std::shared_ptr<Storage> file;
  };

  CreateOptions options_;
  std::shared_ptr<Storage> image_;
  WriterTraits traits_;
  std::vector<Part> parts_;
};

}  // namespace platter::vmdk
