// Guest disks for the engine's tests: a layer whose extents are written down, and a writer that remembers what it got.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/chain.h"
#include "formats/core/image.h"
#include "formats/core/memory_storage.h"
#include "formats/core/writer.h"

namespace platter::test {

struct Layout {
  std::uint64_t length = 0;  // guest bytes
  BlockStatus status = BlockStatus::kData;
  char fill = 'A';  // every byte of a kData extent
};

// A layer made of `layouts`, one after the other. Counts the bytes that are read.
class LayoutImage : public Image {
 public:
  explicit LayoutImage(const std::vector<Layout>& layouts);

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {}; }

  std::uint64_t bytes_read() const noexcept { return bytes_read_.load(); }
  // Reads that touch this byte fail with EIO. Map of it fails instead when `map_fails`.
  void Break(std::uint64_t guest_offset, bool map_fails = false);

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override;
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override;

 private:
  struct Placed {
    std::uint64_t offset;
    Layout layout;
  };
  const Placed& At(std::uint64_t guest_offset) const;

  std::vector<Placed> placed_;
  ImageInfo info_;
  std::atomic<std::uint64_t> bytes_read_{0};
  std::uint64_t broken_ = ~std::uint64_t{0};
  bool map_fails_ = false;
};

Chain OneLayer(std::shared_ptr<Image> image);

// Remembers the runs that it was handed, one letter for each unit: '.' zero, '-' backing, else the first byte of its
// data, '0' for NUL; and checks what ImageWriter promises about batches.
class RecordingWriter : public ImageWriter {
 public:
  explicit RecordingWriter(WriterTraits traits) : traits_(traits) {}

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Place(Batch& batch) override;
  Result<> Store(Batch& batch) override;
  Result<> Finish() override { return Done{}; }

  const std::string& units() const noexcept { return units_; }
  std::uint64_t batch_count() const noexcept { return batches_; }

 private:
  WriterTraits traits_;
  std::string units_;
  std::uint64_t next_ = 0;
  std::uint64_t batches_ = 0;
};

}  // namespace platter::test
