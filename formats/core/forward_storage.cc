#include "formats/core/forward_storage.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "formats/core/slice_storage.h"
#include "formats/core/wait_for.h"

namespace platter {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{256} << 10;

}  // namespace

std::uint64_t ForwardStorage::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

Result<std::size_t> ForwardStorage::Receive(std::span<std::byte> out) const {
  while (true) {
    auto ready = WaitFor(fd_, POLLIN, cancel_);
    if (!ready.ok()) return std::move(ready).error().In(name());
    const ssize_t got = read(fd_, out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR && errno != EAGAIN) return Error::FromErrno(errno, "reading a pipe").In(name());
  }
}

Result<> ForwardStorage::Advance(std::uint64_t offset) {
  while (position_ < offset) {
    const std::uint64_t at = position_ % kHeld;
    const std::uint64_t piece = std::min({kPiece, kHeld - at, offset - position_});
    if (ring_.size() < at + piece) ring_.resize(at + piece);
    const std::size_t got = PLATTER_TRY(Receive(std::span(ring_).subspan(at, piece)));
    if (got == 0) break;
    position_ += got;
  }
  return Done{};
}

Result<> ForwardStorage::CheckOrder(std::uint64_t offset, std::uint64_t length) const {
  const std::uint64_t end = offset + length;
  const bool back = position_ > offset && position_ - offset > kHeld;
  const bool ahead = end > position_ && end - std::min(offset, position_) > kHeld;
  if (!back && !ahead) return Done{};
  return Error(ErrorKind::kUnsupported, "the disk is read in an order in which a pipe does not give it")
      .In(name())
      .Found(fmt::format("byte {:#x}, while the pipe is at {:#x}", offset, position_))
      .Try("store what comes out of the pipe in a file first");
}

void ForwardStorage::CopyHeld(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const std::uint64_t at = offset % kHeld;
    const std::size_t length = std::min<std::uint64_t>(out.size(), kHeld - at);
    std::memcpy(out.data(), ring_.data() + at, length);
    offset += length;
    out = out.subspan(length);
  }
}

Result<std::size_t> ForwardStorage::ReadSome(std::uint64_t offset, std::span<std::byte> out) {
  const std::lock_guard lock(mutex_);
  PLATTER_CHECK(CheckOrder(offset, out.size()));
  PLATTER_CHECK(Advance(offset + out.size()));
  const std::size_t length = std::min<std::uint64_t>(out.size(), position_ < offset ? 0 : position_ - offset);
  CopyHeld(offset, out.first(length));
  return length;
}

Error ForwardStorage::EndedEarly(std::uint64_t wanted) const {
  return Error(ErrorKind::kIo, "the pipe has ended early")
      .In(name())
      .Found(position_)
      .Allowed(fmt::format("at least {} bytes", wanted));
}

Result<> ForwardStorage::SkipTo(std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  PLATTER_CHECK(Advance(offset));
  if (position_ < offset) return EndedEarly(offset);
  return Done{};
}

Result<> ForwardStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  const std::size_t length = PLATTER_TRY(ReadSome(offset, out));
  if (length == out.size()) return Done{};
  const std::lock_guard lock(mutex_);
  return EndedEarly(offset + out.size());
}

Result<> ForwardStorage::Drain() {
  const std::lock_guard lock(mutex_);
  while (true) {
    const std::uint64_t before = position_;
    PLATTER_CHECK(Advance(before + kPiece));
    if (position_ == before) return Done{};
  }
}

const ForwardStorage* PipeOf(const Storage& storage) noexcept {
  const Storage* at = &storage;
  while (const auto* slice = dynamic_cast<const SliceStorage*>(at)) at = slice->whole().get();
  return dynamic_cast<const ForwardStorage*>(at);
}

}  // namespace platter
