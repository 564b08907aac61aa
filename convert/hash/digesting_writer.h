// DigestingWriter: stands before the writer of a copy, and adds what it is given to digests on the way.
#pragma once

#include <cstdint>

#include "convert/hash/digest_set.h"
#include "formats/core/writer.h"

namespace platter {

// Borrows both. Not for targets with a backing file, to which copies leave what is not seen here.
class DigestingWriter : public ImageWriter {
 public:
  // `size`: guest bytes that belong to the sources; a longer target's rest is not hashed.
  DigestingWriter(ImageWriter& writer, DigestSet& digests, std::uint64_t size)
      : writer_(writer), digests_(digests), size_(size), traits_(writer.traits()) {
    traits_.looked_at = WriterTraits::kWholeDisk;
  }

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Encode(Batch& batch) override { return writer_.Encode(batch); }
  Result<> Place(Batch& batch) override;
  Result<> Store(Batch& batch) override { return writer_.Store(batch); }
  Result<> Finish() override { return writer_.Finish(); }
  BitmapTarget* bitmap_target() noexcept override { return writer_.bitmap_target(); }

 private:
  ImageWriter& writer_;
  DigestSet& digests_;
  std::uint64_t size_;
  WriterTraits traits_;
};

}  // namespace platter
