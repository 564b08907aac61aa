#include "formats/inspect/unpacked_parts.h"

#include <algorithm>
#include <utility>

namespace platter::inspect {
namespace {

constexpr std::uint64_t kUnit = std::uint64_t{4} << 10;

}  // namespace

UnpackedStream* UnpackedParts::Of(std::uint64_t begin, std::uint64_t end, codec::Compression compression) {
  const auto known = std::ranges::find(parts_, begin, &Part::begin);
  if (known != parts_.end()) return known->stream.get();
  if (parts_.size() == kMost) return nullptr;
  const std::uint64_t position = whole_->position();
  std::vector<std::byte> here(begin < position ? std::min(end, position) - begin : 0);
  if (here.size() > StreamWindow::kHead || !whole_->ReadAt(begin, here).ok()) return nullptr;
  auto stream = std::make_unique<UnpackedStream>(whole_->name(), compression, memory_);
  stream->Append(here);
  if (position >= end || whole_->size() == position) stream->Finish();
  parts_.push_back({begin, end, std::move(stream)});
  return parts_.back().stream.get();
}

std::uint64_t UnpackedParts::MostAt(std::uint64_t position) const noexcept {
  return parts_.empty() ? StreamWindow::kEndless : kUnit - position % kUnit;
}

void UnpackedParts::Append(std::uint64_t position, std::span<const std::byte> bytes) {
  const std::uint64_t behind = position + bytes.size();
  for (Part& part : parts_) {
    const std::uint64_t begin = std::max(position, part.begin);
    const std::uint64_t end = std::min(behind, part.end);
    if (begin < end) part.stream->Append(bytes.subspan(begin - position, end - begin));
    if (position < part.end && behind >= part.end) part.stream->Finish();
  }
}

void UnpackedParts::Finish() {
  for (Part& part : parts_) part.stream->Finish();
}

bool UnpackedParts::Advance() {
  return std::ranges::any_of(parts_, [](Part& part) { return part.stream->Advance(); });
}

std::uint64_t UnpackedParts::made() const noexcept {
  std::uint64_t made = 0;
  for (const Part& part : parts_) made += part.stream->made();
  return made;
}

}  // namespace platter::inspect
