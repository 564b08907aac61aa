#include "formats/qcow2/list_reader.h"

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kWindowBytes = 65536;

}  // namespace

ListReader::ListReader(Storage& storage, std::string structure, std::uint64_t begin, std::uint64_t end)
    : storage_(storage), structure_(std::move(structure)), position_(begin), end_(end), window_begin_(begin) {}

Error ListReader::TooShort(std::uint64_t count, const std::string& field) const {
  return Error(ErrorKind::kCorrupt, structure_ + " ends inside an entry")
      .At(structure_, field, position_)
      .Found(count)
      .Allowed("up to " + std::to_string(end_ - std::min(position_, end_)) + " bytes");
}

Result<std::span<const std::byte>> ListReader::Take(std::uint64_t count, const std::string& field) {
  if (!FitsWithin(position_, count, end_)) return TooShort(count, field);
  if (position_ < window_begin_ || position_ + count > window_begin_ + window_.size()) {
    window_begin_ = position_;
    window_.resize(std::min(std::max(count, kWindowBytes), end_ - position_));
    PLATTER_CHECK(storage_.ReadAt(window_begin_, window_));
  }
  const auto bytes = std::span<const std::byte>(window_).subspan(position_ - window_begin_, count);
  position_ += count;
  return bytes;
}

Result<> ListReader::Skip(std::uint64_t count, const std::string& field) {
  if (!FitsWithin(position_, count, end_)) return TooShort(count, field);
  position_ += count;
  return Done{};
}

Result<> ListReader::AlignTo(std::uint64_t alignment, const std::string& field) {
  return Skip(AlignUp(position_, alignment) - position_, field);
}

}  // namespace platter::qcow2
