// Makes a compressed disk: its bytes as they are, in a stream of gzip, bzip2, xz or zstd.
#pragma once

#include <array>
#include <memory>

#include "formats/core/driver.h"
#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::compressed {

inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"codec", OptionType::kText, "gzip, bzip2, xz or zstd (by the end of the target's name unless said)"},
};

// Members of a fixed number of guest bytes, each compressed by itself, so that threads share the work and their number
// changes nothing. Also into a stream. In a file the first byte is written last: until then it is no compressed file.
// request.options: values of kCreateOptionSpecs. kInvalid for options and levels that are wrong, kUnsupported for a
// device.
Result<std::unique_ptr<ImageWriter>> CreateStream(const CreateRequest& request, const FormatDriver& disk_format);

}  // namespace platter::compressed
