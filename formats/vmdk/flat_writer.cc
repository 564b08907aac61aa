#include "formats/vmdk/flat_writer.h"

#include <algorithm>
#include <utility>

#include "formats/vmdk/extent_files.h"
#include "formats/vmdk/sparse_layout.h"

namespace platter::vmdk {

FlatWriter::FlatWriter(CreateOptions options, std::shared_ptr<Storage> image,
                       const std::vector<std::shared_ptr<Storage>>& files)
    : options_(std::move(options)), image_(std::move(image)) {
  // Extents begin at whole grains.
  traits_.host_alignment = kGrainSize;
  traits_.looked_at = WriterTraits::kNothing;
  std::uint64_t begin = 0;
  const auto& lines = options_.descriptor.extents;
  for (std::size_t index = 0; index < lines.size(); ++index) {
    const std::uint64_t end = begin + lines[index].sectors * kSectorSize;
    parts_.push_back({begin, end, files[index]});
    begin = end;
  }
}

Result<> FlatWriter::Start() {
  PLATTER_CHECK(ClearDescriptorFile(*image_));
  for (const Part& part : parts_) {
    if (part.file->size() != 0) PLATTER_CHECK(part.file->Resize(0));
    PLATTER_CHECK(part.file->Resize(part.end - part.begin));
  }
  return Done{};
}

Result<> FlatWriter::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kData) continue;
    for (std::uint64_t at = run.offset; at < run.end();) {
      const Part& part = *std::ranges::upper_bound(parts_, at, {}, &Part::end);
      const std::uint64_t length = std::min(run.end(), part.end) - at;
      AppendWrite(batch, *part.file, at - part.begin, batch.bytes.subspan(at - batch.offset, length));
      at += length;
    }
  }
  return Done{};
}

Result<> FlatWriter::Finish() {
  for (const Part& part : parts_) PLATTER_CHECK(part.file->Sync());
  return WriteDescriptorFile(*image_, options_.descriptor);
}

}  // namespace platter::vmdk
