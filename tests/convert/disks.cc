#include "tests/convert/disks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace platter::test {

LayoutImage::LayoutImage(const std::vector<Layout>& layouts) {
  for (const Layout& layout : layouts) {
    placed_.push_back({info_.virtual_size, layout});
    info_.virtual_size += layout.length;
  }
}

void LayoutImage::Break(std::uint64_t guest_offset, bool map_fails) {
  broken_ = guest_offset;
  map_fails_ = map_fails;
}

const LayoutImage::Placed& LayoutImage::At(std::uint64_t guest_offset) const {
  return *std::prev(std::ranges::upper_bound(placed_, guest_offset, {}, &Placed::offset));
}

Result<LayerExtent> LayoutImage::DoMap(ByteRange range) {
  const Placed& here = At(range.offset());
  if (map_fails_ && broken_ >= range.offset() && broken_ < here.offset + here.layout.length) {
    return Error(ErrorKind::kCorrupt, "broken map");
  }
  const std::uint64_t rest = here.offset + here.layout.length - range.offset();
  LayerExtent extent;
  extent.length = std::min(rest, range.length());
  extent.status = here.layout.status;
  return extent;
}

Result<> LayoutImage::DoRead(ByteRange range, std::span<std::byte> out) {
  bytes_read_ += out.size();
  if (!map_fails_ && broken_ >= range.offset() && broken_ < range.end()) return Error::FromErrno(EIO, "broken read");
  for (std::uint64_t at = range.offset(); at < range.end();) {
    const Placed& here = At(at);
    const std::uint64_t end = std::min(here.offset + here.layout.length, range.end());
    const char fill = here.layout.status == BlockStatus::kData ? here.layout.fill : '\0';
    std::ranges::fill(out.subspan(at - range.offset(), end - at), static_cast<std::byte>(fill));
    at = end;
  }
  return Done{};
}

Chain OneLayer(std::shared_ptr<Image> image) { return Chain({std::move(image)}); }

namespace {

char LetterOf(std::byte first) { return first == std::byte{0} ? '0' : static_cast<char>(first); }

}  // namespace

Result<> RecordingWriter::Place(Batch& batch) {
  EXPECT_EQ(batch.offset, next_);
  EXPECT_EQ(batch.offset % traits_.batch_alignment, 0U);
  next_ = batch.offset + batch.length;
  ++batches_;
  std::uint64_t at = batch.offset;
  for (const Run& run : batch.runs) {
    EXPECT_EQ(run.offset, at);
    EXPECT_EQ(run.offset % traits_.unit, 0U);
    at = run.end();
    for (std::uint64_t unit = run.offset; unit < run.end(); unit += traits_.unit) {
      if (run.kind == Run::Kind::kData) units_ += LetterOf(batch.bytes[unit - batch.offset]);
      if (run.kind == Run::Kind::kZero) units_ += '.';
      if (run.kind == Run::Kind::kBacking) units_ += '-';
    }
  }
  EXPECT_EQ(at, next_);
  return Done{};
}

Result<> RecordingWriter::Store(Batch& /*batch*/) { return Done{}; }

}  // namespace platter::test
