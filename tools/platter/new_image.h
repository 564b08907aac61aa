// The files of an image that is being made: taken away again unless everything went well.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/file_storage.h"
#include "formats/core/reference.h"
#include "formats/core/result.h"
#include "tools/platter/persona.h"

namespace platter::cli {

class NewImageFiles {
 public:
  explicit NewImageFiles(CacheMode cache) : cache_(cache) {}
  ~NewImageFiles();
  NewImageFiles(NewImageFiles&&) = default;
  NewImageFiles(const NewImageFiles&) = delete;
  NewImageFiles& operator=(const NewImageFiles&) = delete;

  // The image file: made when missing and emptied when it is there; a StreamStorage for what can only be written in
  // order (see StreamRefusal). Neither a stream nor a device is ever removed.
  Result<std::shared_ptr<Storage>> MakeImage(const std::string& path);
  // The same for any other file; kUnsupported for a stream.
  Result<std::shared_ptr<Storage>> Make(const std::string& path);
  // The same for a file that the new image `image` refers to. kUnsupported for names that are no local path.
  Result<std::shared_ptr<Storage>> MakeBeside(const Reference& wanted, const std::string& image);
  // True when the image file is a stream.
  bool streams() const noexcept { return streams_; }
  // The image is whole: its files stay.
  void Keep() noexcept { files_.clear(); }

 private:
  CacheMode cache_;
  bool streams_ = false;
  std::vector<std::shared_ptr<FileStorage>> files_;
};

// Why an image with these options cannot be made at `path`, where that is a pipe or the like; "" where it can.
std::string StreamRefusal(const Persona& persona, const std::string& path, const FormatDriver& driver,
                          const OptionValues& options);

// True when the standard output is what is written to: messages then have to go elsewhere.
bool IsStandardOutput(const std::string& path);

}  // namespace platter::cli
