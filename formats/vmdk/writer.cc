#include "formats/vmdk/writer.h"

#include <fmt/format.h>

#include <utility>

#include "formats/vmdk/create_options.h"
#include "formats/vmdk/extent_files.h"
#include "formats/vmdk/flat_writer.h"
#include "formats/vmdk/sparse_writer.h"
#include "formats/vmdk/stream_writer.h"

namespace platter::vmdk {
namespace {

template <class Writer>
Result<std::unique_ptr<ImageWriter>> Started(std::unique_ptr<Writer> writer) {
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

// A descriptor inside an extent has a fixed place, one in a file of its own may have up to what readers take.
Result<> CheckDescriptorFits(const CreateOptions& options) {
  const bool own_file = options.flat() || options.split();
  const std::uint64_t limit = own_file ? kMaxDescriptorBytes : kDescriptorSectors * kSectorSize;
  const std::size_t length = PrintDescriptor(options.descriptor).size();
  if (length <= limit) return Done{};
  return Error(ErrorKind::kInvalid, "the descriptor is too long")
      .At("VMDK descriptor", "whole text")
      .Found(length)
      .Allowed(fmt::format("up to {} bytes", limit));
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request));
  // qemu takes -c for sparse extents, too, and stores them as they are.
  if (request.compress && options.flat()) return Error(ErrorKind::kUnsupported, "invalid cluster size");
  PLATTER_CHECK(CheckDescriptorFits(options));
  const int level = request.compression_level.value_or(kDefaultDeflate);
  if (level < kFastestDeflate || level > kSmallestDeflate) {
    return Error(ErrorKind::kInvalid, "zlib has no such compression level")
        .Found(fmt::format("{}", level))
        .Allowed(fmt::format("{} to {}", kFastestDeflate, kSmallestDeflate));
  }
  switch (options.subformat) {
    case Subformat::kStreamOptimized:
      return Started(std::make_unique<StreamWriter>(options, request.storage, level));
    case Subformat::kMonolithicSparse:
      return Started(std::make_unique<SparseWriter>(options, request.storage, std::vector{request.storage}));
    case Subformat::kTwoGbMaxExtentSparse: {
      const auto files = PLATTER_TRY(MakeExtentFiles(request, options.descriptor.extents));
      return Started(std::make_unique<SparseWriter>(options, request.storage, files));
    }
    case Subformat::kMonolithicFlat:
    case Subformat::kTwoGbMaxExtentFlat:
      break;
  }
  const auto files = PLATTER_TRY(MakeExtentFiles(request, options.descriptor.extents));
  return Started(std::make_unique<FlatWriter>(options, request.storage, files));
}

}  // namespace platter::vmdk
