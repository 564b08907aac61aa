#include "fuzz/support/sparse_storage.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "formats/core/bytes.h"

namespace platter::fuzz {
namespace {

constexpr std::uint64_t kSector = 512;

}  // namespace

// Calls of the C library, because loops are slow under the sanitizers.
bool AllZero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

bool Same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

std::shared_ptr<SparseStorage> SparseStorage::FromInput(std::span<const std::uint8_t> input) {
  auto file = std::make_shared<SparseStorage>("input");
  auto rest = std::as_bytes(input);
  const auto magic = std::as_bytes(std::span(std::string_view(kPacked)));
  const auto take = [&rest](std::size_t count) {
    const auto part = rest.first(std::min(count, rest.size()));
    rest = rest.subspan(part.size());
    return part;
  };
  if (rest.size() < magic.size() + 4 || !std::ranges::equal(rest.first(magic.size()), magic)) {
    (void)file->WriteAt(0, rest.first(std::min<std::size_t>(rest.size(), kLargestInput))).ok();
    (void)file->Resize(std::min<std::uint64_t>(rest.size(), kLargestInput)).ok();
    file->changes_ = 0;
    return file;
  }
  take(magic.size());
  const std::uint64_t size = LoadLe<std::uint32_t>(take(4).data()) * kSector % (kLargestInput + kSector);
  while (rest.size() > 6) {
    const auto head = take(6);
    const std::uint64_t offset = LoadLe<std::uint32_t>(head.data()) * kSector % kLargestInput;
    const auto part = take(LoadLe<std::uint16_t>(head.data() + 4));
    (void)file->WriteAt(offset, part.first(std::min<std::uint64_t>(part.size(), kLargestInput - offset))).ok();
  }
  (void)file->Resize(size).ok();
  file->changes_ = 0;
  return file;
}

std::shared_ptr<SparseStorage> SparseStorage::Copy() const {
  auto copy = std::make_shared<SparseStorage>(name());
  copy->pages_ = pages_;
  copy->size_ = size_;
  return copy;
}

Result<> SparseStorage::Grow(std::uint64_t end) {
  if (end > kLargestFile) return Error::FromErrno(EFBIG, "writing").In(name());
  size_ = std::max(size_, end);
  return Done{};
}

Result<> SparseStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t inside = offset % kPage;
    const auto part = out.first(std::min<std::uint64_t>(out.size(), kPage - inside));
    const auto page = pages_.find(offset / kPage);
    if (page == pages_.end()) {
      std::memset(part.data(), 0, part.size());
    } else {
      std::memcpy(part.data(), page->second.data() + inside, part.size());
    }
    offset += part.size();
    out = out.subspan(part.size());
  }
  return Done{};
}

Result<> SparseStorage::DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  ++changes_;
  PLATTER_CHECK(Grow(offset + bytes.size()));
  while (!bytes.empty()) {
    const std::uint64_t inside = offset % kPage;
    const auto part = bytes.first(std::min<std::uint64_t>(bytes.size(), kPage - inside));
    auto page = pages_.find(offset / kPage);
    if (page == pages_.end() && !AllZero(part)) {
      if (pages_.size() >= kMostPages) return Error::FromErrno(ENOSPC, "writing").In(name());
      page = pages_.try_emplace(offset / kPage).first;
    }
    if (page != pages_.end()) {
      std::memcpy(page->second.data() + inside, part.data(), part.size());
    }
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
  return Done{};
}

Result<> SparseStorage::DoResize(std::uint64_t size) {
  ++changes_;
  if (size > size_) return Grow(size);
  PLATTER_CHECK(DoPunch(size, size_ - size));
  size_ = size;
  return Done{};
}

Result<> SparseStorage::DoPunch(std::uint64_t offset, std::uint64_t length) {
  ++changes_;
  const std::uint64_t end = offset + length;
  PLATTER_CHECK(Grow(end));
  for (auto page = pages_.lower_bound(offset / kPage); page != pages_.end() && page->first * kPage < end;) {
    const std::uint64_t start = page->first * kPage;
    const std::uint64_t from = std::max(offset, start);
    const std::uint64_t to = std::min(end, start + kPage);
    std::ranges::fill(std::span(page->second).subspan(from - start, to - from), std::byte{0});
    page = to - from == kPage ? pages_.erase(page) : std::next(page);
  }
  return Done{};
}

Result<> SparseStorage::DoAllocate(std::uint64_t offset, std::uint64_t length) {
  ++changes_;
  return Grow(offset + length);
}

Result<DataRun> SparseStorage::DoDataMap(std::uint64_t offset) {
  const auto page = pages_.lower_bound(offset / kPage);
  const bool data = page != pages_.end() && page->first == offset / kPage;
  const std::uint64_t end = data ? (page->first + 1) * kPage : page == pages_.end() ? size_ : page->first * kPage;
  return DataRun{.length = std::min(end, size_) - offset, .data = data};
}

}  // namespace platter::fuzz
