#include "formats/core/writer.h"

namespace platter {

Result<> ImageWriter::Encode(Batch& /*batch*/) { return Done{}; }

Result<> ImageWriter::Store(Batch& batch) {
  for (const HostWrite& write : batch.writes) {
    if (write.bytes.empty()) {
      PLATTER_CHECK(write.file->Punch(write.offset, write.zeros));
    } else {
      PLATTER_CHECK(write.file->WriteAt(write.offset, write.bytes));
    }
  }
  return Done{};
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

}  // namespace platter
