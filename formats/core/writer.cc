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

}  // namespace platter
