#include "formats/core/memory_storage.h"

#include <algorithm>
#include <mutex>

namespace platter {
namespace {

constexpr std::uint64_t kLargestMemoryFile = std::uint64_t{1} << 30;

}  // namespace

MemoryStorage::MemoryStorage(std::string name, std::vector<std::byte> bytes)
    : Storage(std::move(name)), bytes_(std::move(bytes)) {}

std::uint64_t MemoryStorage::size() const noexcept {
  const std::shared_lock lock(mutex_);
  return bytes_.size();
}

std::vector<std::byte> MemoryStorage::Snapshot() const {
  const std::shared_lock lock(mutex_);
  return bytes_;
}

Result<> MemoryStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  const std::shared_lock lock(mutex_);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return Done{};
}

Result<> MemoryStorage::GrowTo(std::uint64_t end) {
  if (end > kLargestMemoryFile) return Error(ErrorKind::kLimit, "memory file over 1 GiB").In(name());
  if (end > bytes_.size()) bytes_.resize(end);
  return Done{};
}

Result<> MemoryStorage::DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::unique_lock lock(mutex_);
  PLATTER_CHECK(GrowTo(offset + bytes.size()));
  std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  return Done{};
}

Result<> MemoryStorage::DoResize(std::uint64_t size) {
  const std::unique_lock lock(mutex_);
  PLATTER_CHECK(GrowTo(size));
  bytes_.resize(size);
  return Done{};
}

Result<> MemoryStorage::DoPunch(std::uint64_t offset, std::uint64_t length) {
  const std::unique_lock lock(mutex_);
  PLATTER_CHECK(GrowTo(offset + length));
  std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
  return Done{};
}

Result<> MemoryStorage::DoAllocate(std::uint64_t offset, std::uint64_t length) {
  const std::unique_lock lock(mutex_);
  return GrowTo(offset + length);
}

Result<DataRun> MemoryStorage::DoDataMap(std::uint64_t offset) { return DataRun{size() - offset, true}; }

}  // namespace platter
