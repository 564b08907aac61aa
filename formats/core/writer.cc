#include "formats/core/writer.h"

namespace platter {

Result<> ImageWriter::Encode(Batch& /*batch*/) { return Done{}; }

Result<> ImageWriter::Store(Batch& batch) {
  for (const HostWrite& write : batch.writes) {
    if (!write.bytes.empty()) {
      PLATTER_CHECK(write.file->WriteAt(write.offset, write.bytes));
      continue;
    }
    std::unique_lock lock(punch_mutex_, std::defer_lock);
    // Into a stream they wait for their turn, and must not keep back those whose turn it is.
    if (!write.file->is_stream()) lock.lock();
    PLATTER_CHECK(write.file->Punch(write.offset, write.zeros));
  }
  return Done{};
}

Result<> ImageWriter::ClearStored(Storage& file, std::uint64_t offset, std::uint64_t length) {
  const std::lock_guard lock(punch_mutex_);
  const std::uint64_t size = file.size();
  return offset < size ? file.Punch(offset, std::min(length, size - offset)) : Done{};
}

void AppendWrite(Batch& batch, Storage& file, std::uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (!batch.writes.empty()) {
    HostWrite& last = batch.writes.back();
    const bool adjacent = last.file == &file && !last.bytes.empty() && last.offset + last.bytes.size() == offset &&
                          last.bytes.data() + last.bytes.size() == bytes.data();
    if (adjacent) {
      last.bytes = {last.bytes.data(), last.bytes.size() + bytes.size()};
      return;
    }
  }
  batch.writes.push_back({&file, offset, bytes, 0});
}

void AppendZeros(Batch& batch, Storage& file, std::uint64_t offset, std::uint64_t length) {
  if (length != 0) batch.writes.push_back({&file, offset, {}, length});
}

void AppendRun(Batch& batch, Storage& file, std::uint64_t offset, const Run& run) {
  if (run.kind == Run::Kind::kData) {
    AppendWrite(batch, file, offset, batch.bytes.subspan(run.offset - batch.offset, run.length));
  } else {
    AppendZeros(batch, file, offset, run.length);
  }
}

}  // namespace platter
