#include "formats/qcow2/table_window.h"

#include <algorithm>

namespace platter::qcow2 {
namespace {

constexpr std::uint64_t kSmallestWindow = 65536;

}  // namespace

TableWindow::TableWindow(Storage& storage, std::uint64_t cluster_size, std::uint64_t memory)
    : storage_(storage),
      window_size_(std::max(cluster_size, kSmallestWindow)),
      capacity_(static_cast<std::size_t>(std::max<std::uint64_t>(memory / window_size_, 1))) {}

Result<const TableWindow::Window*> TableWindow::Fetch(std::uint64_t index) {
  if (!windows_.empty() && windows_.front().index == index) return &windows_.front();
  if (const auto found = by_index_.find(index); found != by_index_.end()) {
    windows_.splice(windows_.begin(), windows_, found->second);
    return &windows_.front();
  }
  if (windows_.size() < capacity_) {
    windows_.push_front({index, std::vector<std::byte>(window_size_)});
  } else {
    by_index_.erase(windows_.back().index);
    windows_.splice(windows_.begin(), windows_, std::prev(windows_.end()));
    windows_.front().index = index;
  }
  if (auto read = storage_.ReadPadded(index * window_size_, windows_.front().bytes); !read.ok()) {
    windows_.pop_front();
    return std::move(read).error();
  }
  bytes_read_ += window_size_;
  by_index_[index] = windows_.begin();
  return &windows_.front();
}

Result<std::span<const std::byte>> TableWindow::Read(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t within = offset % window_size_;
  if (within + length > window_size_) {
    straddling_.resize(length);
    PLATTER_CHECK(storage_.ReadPadded(offset, straddling_));
    return std::span<const std::byte>(straddling_);
  }
  const Window* window = PLATTER_TRY(Fetch(offset / window_size_));
  return std::span(window->bytes).subspan(within, length);
}

Result<> TableWindow::ReadOnce(std::uint64_t offset, std::span<std::byte> into) {
  if (into.size() < window_size_) {
    std::ranges::copy(PLATTER_TRY(Read(offset, into.size())), into.begin());
    return Done{};
  }
  PLATTER_CHECK(storage_.ReadPadded(offset, into));
  bytes_read_ += into.size();
  return Done{};
}

Result<bool> TableWindow::KnownZero(std::uint64_t offset, std::uint64_t length) {
  if (offset >= storage_.size()) return true;
  if (bytes_read_ / 2 <= storage_.allocated_size()) return false;
  const DataRun run = PLATTER_TRY(storage_.DataMap(offset));
  return !run.data && (run.length >= length || run.length >= storage_.size() - offset);
}

Result<> TableWindow::Write(std::uint64_t offset, std::span<const std::byte> bytes) {
  PLATTER_CHECK(storage_.WriteAt(offset, bytes));
  for (std::size_t done = 0; done < bytes.size();) {
    const std::uint64_t at = offset + done;
    const std::uint64_t within = at % window_size_;
    const std::size_t part = std::min<std::uint64_t>(bytes.size() - done, window_size_ - within);
    if (const auto found = by_index_.find(at / window_size_); found != by_index_.end()) {
      std::ranges::copy(bytes.subspan(done, part), found->second->bytes.begin() + static_cast<std::ptrdiff_t>(within));
    }
    done += part;
  }
  return Done{};
}

}  // namespace platter::qcow2
