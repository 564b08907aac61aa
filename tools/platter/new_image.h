// The files of an image that is being made: taken away again unless everything went well.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/core/reference.h"
#include "formats/core/result.h"

namespace platter::cli {

class NewImageFiles {
 public:
  explicit NewImageFiles(CacheMode cache) : cache_(cache) {}
  ~NewImageFiles();
  NewImageFiles(NewImageFiles&&) = default;
  NewImageFiles(const NewImageFiles&) = delete;
  NewImageFiles& operator=(const NewImageFiles&) = delete;

  // The file, made when missing and emptied when it is there.
  Result<std::shared_ptr<Storage>> Make(const std::string& path);
  // The same for a file that the new image `image` refers to. kUnsupported for names that are no local path.
  Result<std::shared_ptr<Storage>> MakeBeside(const Reference& wanted, const std::string& image);
  // The image is whole: its files stay.
  void Keep() noexcept { files_.clear(); }

 private:
  CacheMode cache_;
  std::vector<std::shared_ptr<FileStorage>> files_;
};

}  // namespace platter::cli
