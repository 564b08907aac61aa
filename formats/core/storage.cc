#include "formats/core/storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "formats/core/checked.h"

namespace platter {
namespace {

// off_t is signed: no host file reaches further.
constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();

Result<> CheckRange(const Storage& storage, std::uint64_t offset, std::uint64_t length, std::uint64_t limit) {
  auto range = ByteRange::Within(offset, length, limit);
  if (!range.ok()) return std::move(range).error().In(storage.name());
  return Done{};
}

}  // namespace

Result<> Storage::CheckWritable() const {
  if (writable()) return Done{};
  return Error(ErrorKind::kInvalid, "file is open for reading only").In(name_);
}

Result<> Storage::ReadAt(std::uint64_t offset, std::span<std::byte> out) {
  PLATTER_CHECK(CheckRange(*this, offset, out.size(), size()));
  if (out.empty()) return Done{};
  return DoRead(offset, out);
}

Result<> Storage::ReadPadded(std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t end = size();
  const std::uint64_t stored = offset < end ? std::min<std::uint64_t>(end - offset, out.size()) : 0;
  std::ranges::fill(out.subspan(stored), std::byte{0});
  return ReadAt(stored == 0 ? 0 : offset, out.first(stored));
}

Result<> Storage::WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) {
  PLATTER_CHECK(CheckWritable());
  PLATTER_CHECK(CheckRange(*this, offset, bytes.size(), is_device() ? size() : kLargestFile));
  if (bytes.empty()) return Done{};
  return DoWrite(offset, bytes);
}

Result<> Storage::Resize(std::uint64_t size) {
  PLATTER_CHECK(CheckWritable());
  PLATTER_CHECK(CheckRange(*this, 0, size, kLargestFile));
  return DoResize(size);
}

Result<> Storage::Punch(std::uint64_t offset, std::uint64_t length) {
  PLATTER_CHECK(CheckWritable());
  PLATTER_CHECK(CheckRange(*this, offset, length, is_device() ? size() : kLargestFile));
  if (length == 0) return Done{};
  return DoPunch(offset, length);
}

Result<> Storage::Allocate(std::uint64_t offset, std::uint64_t length) {
  PLATTER_CHECK(CheckWritable());
  PLATTER_CHECK(CheckRange(*this, offset, length, is_device() ? size() : kLargestFile));
  if (length == 0) return Done{};
  return DoAllocate(offset, length);
}

bool Storage::CopyInHost(const Storage& /*source*/, std::uint64_t /*source_offset*/, std::uint64_t /*offset*/,
                         std::uint64_t /*length*/) {
  return false;
}

bool Storage::Reflink(const Storage& /*source*/, std::uint64_t /*source_offset*/, std::uint64_t /*offset*/,
                      std::uint64_t /*length*/) {
  return false;
}

Result<DataRun> Storage::DataMap(std::uint64_t offset) {
  PLATTER_CHECK(CheckRange(*this, offset, 1, size()));
  return DoDataMap(offset);
}

Result<> Storage::Sync() {
  if (!writable()) return Done{};
  return DoSync();
}

}  // namespace platter
