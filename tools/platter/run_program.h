// Other programs that do a part of the work.
#pragma once

#include <string>
#include <vector>

#include "formats/core/result.h"

namespace platter::cli {

// Runs `argv` (argv[0] is searched in PATH) to its end with `environment` ("NAME=value") added to ours, nothing on its
// standard input and what it prints thrown away. kUnsupported, with `package` as the remedy, where there is no such
// program; kIo with what it said on its standard error stream when its exit code is not 0.
Result<> RunProgram(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                    const std::string& package);

// A folder of our own for files on the way, in $TMPDIR or /var/tmp, removed with everything in it when the object goes.
class ScratchFolder {
 public:
  static Result<ScratchFolder> Make();
  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  ScratchFolder& operator=(ScratchFolder&&) = delete;

  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace platter::cli
