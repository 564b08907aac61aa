// The extents of an image: the files (or stretches of zeros) that its guest disk is put together from, opened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vmdk/compressed_reader.h"
#include "formats/vmdk/descriptor.h"
#include "formats/vmdk/grain_map.h"

namespace platter::vmdk {

// What a hosted sparse extent says about itself, as it is to be read.
struct HostedExtent {
  SparseHeader header;             // of a stream: with the footer's directory
  bool directory_damaged = false;  // the directory is, and its copy sound: the two are exchanged in `header`
  bool stream_trailer = false;     // there is a footer
};

struct ExtentFile {
  ExtentLine line = {};     // as described; of an extent that holds its own descriptor, as its header says
  bool described = true;    // false: the extent holds its own descriptor
  std::uint64_t begin = 0;  // guest bytes
  std::uint64_t length = 0;
  std::shared_ptr<Storage> storage = {};  // null for zeros, and for a file that is not there when only info is wanted
  std::uint64_t offset = 0;               // host bytes, of a flat extent
  std::unique_ptr<GrainMap> grains = {};  // of a sparse extent; null for the others
  std::unique_ptr<CompressedReader> compressed = {};
  std::optional<HostedExtent> hosted = {};

  std::uint64_t end() const noexcept { return begin + length; }
  bool zero() const noexcept { return line.type == ExtentType::kZero; }
};

// The header of the sparse extent in `storage`. kNotThisFormat for other content, and as ParseSparseHeader and
// ParseTrailer.
Result<HostedExtent> OpenHosted(Storage& storage, Dialect dialect);

// The one extent of a file that holds its own descriptor.
Result<ExtentFile> EmbeddedExtent(std::shared_ptr<Storage> storage, const HostedExtent& hosted,
                                  const OpenContext& context);

// What `descriptor`, which stands in the file `referrer`, lists, through context.gate. kUnsupported by name for raw
// devices; kCorrupt for an extent whose file holds less or something else than described; kDenied, kIo.
Result<std::vector<ExtentFile>> OpenExtents(const Descriptor& descriptor, const std::string& referrer,
                                            const OpenContext& context);

}  // namespace platter::vmdk
