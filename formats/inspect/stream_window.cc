#include "formats/inspect/stream_window.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "formats/core/checked.h"

namespace platter::inspect {
namespace {

// Misses are kept in whole lines, so that fields side by side do not need a look each.
constexpr std::uint64_t kLine = 4096;

}  // namespace

std::uint64_t StreamWindow::next_look() const noexcept {
  if (position_ < kFirstLook) return kFirstLook;
  if (position_ < kHead) return kHead;
  std::uint64_t next = kEndless;
  for (const Part& part : parts_) {
    if (part.end > position_) next = std::min(next, part.end);
  }
  return next;
}

void StreamWindow::Append(std::span<const std::byte> bytes) {
  AppendTo(head_, position_, bytes);
  for (Part& part : parts_) AppendTo(part, position_, bytes);
  AppendToTail(bytes);
  LookForData(bytes);
  position_ += bytes.size();
}

void StreamWindow::LookForData(std::span<const std::byte> bytes) {
  constexpr std::array<std::byte, 4096> kZeros{};
  std::size_t end = bytes.size();
  while (end >= kZeros.size() && std::memcmp(bytes.data() + end - kZeros.size(), kZeros.data(), kZeros.size()) == 0) {
    end -= kZeros.size();
  }
  while (end != 0 && bytes[end - 1] == std::byte{0}) --end;
  if (end == 0) return;
  data_end_ = position_ + end;
  last_data_ = bytes[end - 1];
}

void StreamWindow::AppendTo(Part& part, std::uint64_t position, std::span<const std::byte> bytes) {
  const std::uint64_t next = part.begin + part.bytes.size();
  if (next >= part.end || next < position || next >= position + bytes.size()) return;
  const auto fresh = bytes.subspan(next - position);
  const auto taken = fresh.first(std::min<std::uint64_t>(fresh.size(), part.end - next));
  part.bytes.insert(part.bytes.end(), taken.begin(), taken.end());
}

void StreamWindow::AppendToTail(std::span<const std::byte> bytes) {
  std::uint64_t position = position_;
  if (bytes.size() > kTail) {
    position += bytes.size() - kTail;
    bytes = bytes.last(kTail);
  }
  while (!bytes.empty()) {
    const std::size_t at = position % kTail;
    const std::size_t length = std::min<std::size_t>(bytes.size(), kTail - at);
    std::memcpy(tail_.data() + at, bytes.data(), length);
    bytes = bytes.subspan(length);
    position += length;
  }
}

void StreamWindow::KeepWhatWasMissed() {
  std::uint64_t kept = 0;
  for (const Part& part : parts_) kept += part.end - part.begin;
  for (Part& part : std::exchange(missed_, {})) {
    part.begin = std::max(part.begin, kHead);
    if (part.begin >= part.end) continue;
    // Missed by each look until it has come.
    const auto covers = [&](const Part& other) { return other.begin <= part.begin && part.end <= other.end; };
    if (std::ranges::any_of(parts_, covers)) continue;
    if (kept + (part.end - part.begin) > kRoom) continue;
    kept += part.end - part.begin;
    parts_.push_back(std::move(part));
  }
}

std::size_t StreamWindow::CopyFromTail(std::uint64_t offset, std::span<std::byte> out) const {
  if (!finished_ || offset >= position_ || position_ - offset > kTail) return 0;
  const std::size_t at = offset % kTail;
  const std::size_t length = std::min<std::uint64_t>({out.size(), kTail - at, position_ - offset});
  std::memcpy(out.data(), tail_.data() + at, length);
  return length;
}

std::size_t StreamWindow::CopyFrom(std::uint64_t offset, std::span<std::byte> out) const {
  const auto copy = [&](const Part& part) -> std::size_t {
    if (offset < part.begin || offset >= part.begin + part.bytes.size()) return 0;
    const auto here = std::span(part.bytes).subspan(offset - part.begin);
    const std::size_t length = std::min(out.size(), here.size());
    std::memcpy(out.data(), here.data(), length);
    return length;
  };
  if (const std::size_t length = copy(head_)) return length;
  for (const Part& part : parts_) {
    if (const std::size_t length = copy(part)) return length;
  }
  if (const std::size_t length = CopyFromTail(offset, out)) return length;
  if (!finished_ || offset + 1 != data_end_) return 0;
  out.front() = last_data_;
  return 1;
}

Result<> StreamWindow::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  std::uint64_t at = offset;
  for (auto rest = out; !rest.empty();) {
    const std::size_t length = CopyFrom(at, rest);
    if (length != 0) {
      at += length;
      rest = rest.subspan(length);
      continue;
    }
    ++misses_;
    const std::uint64_t end = AlignUp(offset + out.size(), kLine);
    const bool to_come = !finished_ && at >= position_;
    if (to_come && end < kEndless / 2) missed_.push_back({std::max(AlignDown(at, kLine), position_), end, {}});
    return Error(ErrorKind::kIo, "the bytes are not here");
  }
  return Done{};
}

Result<DataRun> StreamWindow::DoDataMap(std::uint64_t offset) {
  if (finished_ && offset < data_end_) return DataRun{data_end_ - offset, true};
  return DataRun{size() - offset, !finished_};
}

}  // namespace platter::inspect
