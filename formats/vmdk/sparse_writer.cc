#include "formats/vmdk/sparse_writer.h"

#include <algorithm>
#include <utility>

#include "formats/vmdk/extent_files.h"

namespace platter::vmdk {

SparseWriter::SparseWriter(CreateOptions options, std::shared_ptr<Storage> image,
                           const std::vector<std::shared_ptr<Storage>>& files)
    : options_(std::move(options)), image_(std::move(image)) {
  traits_ = {.unit = kGrainSize,
             .batch_alignment = kGrainSize,
             .starts_zeroed = !options_.has_backing,
             .host_alignment = kGrainSize,
             .looked_at = WriterTraits::kNothing};
  std::uint64_t begin = 0;
  const auto& lines = options_.descriptor.extents;
  for (std::size_t index = 0; index < lines.size(); ++index) {
    const std::uint64_t sectors = lines[index].sectors;
    const std::uint64_t end = begin + sectors * kSectorSize;
    parts_.push_back({begin, end, SparseExtent(files[index], sectors, options_.zeroed_grain)});
    begin = end;
  }
}

Result<> SparseWriter::Start() {
  if (options_.split()) PLATTER_CHECK(ClearDescriptorFile(*image_));
  for (Part& part : parts_) PLATTER_CHECK(part.extent.Start());
  return Done{};
}

Result<> SparseWriter::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) PLATTER_CHECK(PlaceRun(batch, run));
  return Done{};
}

Result<> SparseWriter::PlaceRun(Batch& batch, const Run& run) {
  const bool stored = run.kind == Run::Kind::kData || (run.kind == Run::Kind::kZero && options_.has_backing);
  for (std::uint64_t at = run.offset; stored && at < run.end();) {
    while (at >= parts_[current_].end) ++current_;
    Part& part = parts_[current_];
    const std::uint64_t length = std::min(run.end(), part.end) - at;
    if (run.kind == Run::Kind::kData) {
      PLATTER_CHECK(part.extent.PlaceData(batch, at - part.begin, batch.bytes.subspan(at - batch.offset, length)));
    } else {
      PLATTER_CHECK(part.extent.PlaceZeros(batch, at - part.begin, length));
    }
    at += length;
  }
  return Done{};
}

Result<> SparseWriter::Finish() {
  const std::string inside = options_.split() ? "" : PrintDescriptor(options_.descriptor);
  for (Part& part : parts_) PLATTER_CHECK(part.extent.Finish(inside));
  return options_.split() ? WriteDescriptorFile(*image_, options_.descriptor) : Done{};
}

}  // namespace platter::vmdk
