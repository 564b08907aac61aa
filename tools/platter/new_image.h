// The files of an image that is being made: taken away again unless everything went well.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/file_storage.h"
#include "formats/core/reference.h"
#include "formats/core/result.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// Where a new image goes.
struct NewImagePlace {
  std::string path;         // of the image file
  std::string folder = "";  // that is to be made around it; "" unless the image is a folder
};

// The file that `name`, of the command line, means as a target: "-" is the standard output, but for qemu-img, which has
// a file of that name. kUnsupported for network names.
Result<std::string> TargetPath(const Persona& persona, std::string_view name);

// What `name` means for an image with these options. Where the image is a folder, `name` is that folder, or the file in
// it by its very name. As TargetPath.
Result<NewImagePlace> PlaceOf(const Persona& persona, std::string_view name, const FormatDriver& driver,
                              const OptionValues& options);

class NewImageFiles {
 public:
  explicit NewImageFiles(CacheMode cache) : cache_(cache) {}
  ~NewImageFiles();
  NewImageFiles(NewImageFiles&&) = default;
  NewImageFiles(const NewImageFiles&) = delete;
  NewImageFiles& operator=(const NewImageFiles&) = delete;

  // The image file: made when missing and replaced, from its first change on, when it is there; a StreamStorage for
  // what can only be written in order (see StreamRefusal). Neither a stream nor a device is ever removed, and of
  // folders only one that was made here.
  Result<std::shared_ptr<Storage>> MakeImage(const NewImagePlace& place);
  // The same for any other file; kUnsupported for a stream.
  Result<std::shared_ptr<Storage>> Make(const std::string& path);
  // True when the image file is a stream.
  bool streams() const noexcept { return streams_; }
  // One of the files that payload goes to, or one beside them; null before any is made.
  const Storage* any() const noexcept { return files_.empty() ? nullptr : files_.front().get(); }
  // All that have been made; a stream is none of them.
  const std::vector<std::shared_ptr<FileStorage>>& files() const noexcept { return files_; }
  // The image is whole: its files stay.
  void Keep() noexcept;

 private:
  Result<> MakeFolder(const std::string& folder);

  CacheMode cache_;
  bool streams_ = false;
  std::string made_folder_;
  std::string image_path_;
  std::vector<std::shared_ptr<FileStorage>> files_;
};

// Why an image with these options cannot be made at `path`, where that is a pipe or the like; "" where it can.
std::string StreamRefusal(const Persona& persona, const std::string& path, const FormatDriver& driver,
                          const OptionValues& options);

// True when the standard output is what is written to: messages then have to go elsewhere.
bool IsStandardOutput(const std::string& path);

}  // namespace platter::cli
