#include "convert/hash/digesting_writer.h"

#include "convert/hash/guest_digest.h"

namespace platter {

Result<> DigestingWriter::Place(Batch& batch) {
  UpdateWithBatch(digests_, batch, size_);
  return writer_.Place(batch);
}

}  // namespace platter
