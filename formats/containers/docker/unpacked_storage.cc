#include "formats/containers/docker/unpacked_storage.h"

#include <algorithm>
#include <cstring>

namespace platter::docker {
namespace {

constexpr std::size_t kPiece = std::size_t{128} << 10;
// An index of a tar goes back by a block now and then.
constexpr std::size_t kKept = std::size_t{4} << 10;

}  // namespace

// Makes the buffer hold the bytes that follow it.
Result<> UnpackedStorage::Advance() {
  const std::size_t kept = std::min(kKept, buffer_.size());
  std::copy(buffer_.end() - static_cast<std::ptrdiff_t>(kept), buffer_.end(), buffer_.begin());
  begin_ += buffer_.size() - kept;
  buffer_.resize(kept + kPiece);
  const std::size_t length = PLATTER_TRY(stream_->Read(std::span(buffer_).subspan(kept)));
  buffer_.resize(kept + length);
  if (unpacking_.tally) unpacking_.tally(length);
  if (length != 0) return Done{};
  return Error(ErrorKind::kIo, "the layer unpacks to less than before").In(name());
}

Result<> UnpackedStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  if (stream_ == nullptr || offset < begin_) {
    stream_ = PLATTER_TRY(LayerStream::Open(stored_, nullptr, unpacking_.memory));
    begin_ = 0;
    buffer_.clear();
  }
  while (!out.empty()) {
    while (offset >= begin_ + buffer_.size()) PLATTER_CHECK(Advance());
    const auto here = std::span(buffer_).subspan(offset - begin_);
    const std::size_t length = std::min(here.size(), out.size());
    std::memcpy(out.data(), here.data(), length);
    offset += length;
    out = out.subspan(length);
  }
  return Done{};
}

}  // namespace platter::docker
