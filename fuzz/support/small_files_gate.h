// Hands out a small file in memory for every name that an image refers to: what a bundle's other files may be.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/reference.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {

class SmallFilesGate : public ReferenceGate {
 public:
  // `image`: the image itself, which it may name, too. `others`: images of the format that its files have.
  SmallFilesGate(std::shared_ptr<SparseStorage> image, std::vector<std::shared_ptr<SparseStorage>> others)
      : image_(std::move(image)), others_(std::move(others)) {}

  // By the name's last character: a copy of the image, of one of the others, or 64 KiB of text. The same name means the
  // same file every time.
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override;

 private:
  Result<std::shared_ptr<SparseStorage>> Make(const std::string& name) const;

  std::map<std::string, std::shared_ptr<SparseStorage>> files_;
  std::shared_ptr<SparseStorage> image_;
  std::vector<std::shared_ptr<SparseStorage>> others_;
};

// Two empty images of 1 MiB that the format's writer makes with different options; none where it has no writer.
std::vector<std::shared_ptr<SparseStorage>> SmallImages(std::string_view format);

}  // namespace platter::fuzz
