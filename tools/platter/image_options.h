// The text of --image-opts: a format with its options, the file below it, and what stands in for the files that the
// image names.
//
//   driver=qcow2,file.filename=a.qcow2,backing.driver=raw,backing.file.filename=b.raw,data-file.filename=d.raw
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/file_storage.h"
#include "formats/core/result.h"

namespace platter::cli {

struct ImageOptions {
  const FormatDriver* driver = nullptr;  // null: recognise
  bool bare_file = false;                // the file itself was asked for, without a format on top (driver=file)
  std::string filename;
  OptionValues open_options;  // values of driver->open_options
  std::optional<bool> read_only;
  bool force_share = false;
  bool locking = true;
  std::optional<CacheMode> cache;
  std::unique_ptr<ImageOptions> backing;                     // instead of the backing file that the image names
  bool no_backing = false;                                   // backing= : leave the backing file away
  std::optional<std::string> data_file;                      // instead of the data file that the image names
  std::vector<std::pair<std::string, std::string>> written;  // every option with its full name, in order
};

// kInvalid, naming the option, for what is unknown, does not fit the driver or cannot be done here.
Result<ImageOptions> ParseImageOptions(std::string_view text, Dialect dialect);

}  // namespace platter::cli
