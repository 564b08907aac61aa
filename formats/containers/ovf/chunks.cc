#include "formats/containers/ovf/chunks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/core/read_only_storage.h"

namespace platter::ovf {
namespace {

constexpr std::size_t kDigits = 9;
constexpr std::uint64_t kMostChunks = 65536;

// Chunks in a row: each but the last has `chunk_size` bytes, and that is more than none.
class DividedFile final : public ReadOnlyStorage {
 public:
  DividedFile(std::vector<std::shared_ptr<Storage>> chunks, std::uint64_t chunk_size, std::uint64_t size)
      : ReadOnlyStorage(chunks.front()->name()), chunks_(std::move(chunks)), chunk_size_(chunk_size), size_(size) {}

  std::uint64_t size() const noexcept override { return size_; }
  std::uint64_t allocated_size() const noexcept override {
    std::uint64_t sum = 0;
    for (const auto& chunk : chunks_) sum += chunk->allocated_size();
    return sum;
  }
  std::optional<StorageIdentity> identity() const noexcept override { return chunks_.front()->identity(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::uint64_t within = offset % chunk_size_;
      const auto here = out.first(std::min<std::uint64_t>(out.size(), chunk_size_ - within));
      PLATTER_CHECK(chunks_[offset / chunk_size_]->ReadAt(within, here));
      offset += here.size();
      out = out.subspan(here.size());
    }
    return Done{};
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override {
    return chunks_[offset / chunk_size_]->DataMap(offset % chunk_size_);
  }

 private:
  std::vector<std::shared_ptr<Storage>> chunks_;
  std::uint64_t chunk_size_;
  std::uint64_t size_;
};

Error Wrong(ErrorKind kind, std::string what, const std::string& found) {
  return Error(kind, std::move(what)).At("OVF descriptor", "File/@chunkSize").Found(found);
}

Error TooMany(const File& file) {
  return Wrong(ErrorKind::kLimit, "the file is divided into too many chunks", std::to_string(*file.chunk_size))
      .Allowed(fmt::format("at most {} of them", kMostChunks));
}

// How many there are where the descriptor says how long the file is. An empty file is one empty chunk.
std::uint64_t CountOf(const File& file) {
  return std::max<std::uint64_t>(1, DivideRoundingUp(*file.size, *file.chunk_size));
}

Result<> CheckSize(const Storage& chunk, const std::string& name, std::uint64_t expected) {
  if (chunk.size() == expected) return Done{};
  return Wrong(ErrorKind::kCorrupt, "a chunk is not as long as is said", fmt::format("{}: {}", name, chunk.size()))
      .Allowed(std::to_string(expected));
}

Result<std::vector<std::shared_ptr<Storage>>> OpenAll(const File& file, const std::string& name,
                                                      const OpenNamed& open) {
  std::vector<std::shared_ptr<Storage>> chunks;
  const std::uint64_t chunk_size = *file.chunk_size;
  while (auto chunk = PLATTER_TRY(open(ChunkName(name, chunks.size())))) {
    if (chunks.size() == kMostChunks) return TooMany(file);
    if (!chunks.empty()) {
      PLATTER_CHECK(CheckSize(*chunks.back(), ChunkName(name, chunks.size() - 1), chunk_size));
    }
    chunks.push_back(std::move(chunk));
    // Where there is another one, it is one too many.
    if (file.size && chunks.size() > CountOf(file)) break;
  }
  return chunks;
}

}  // namespace

std::string ChunkName(std::string_view file, std::uint64_t number) {
  return fmt::format("{}.{:0{}}", file, number, kDigits);
}

std::string_view FileOfChunk(std::string_view name) noexcept {
  if (name.size() <= kDigits + 1 || name[name.size() - kDigits - 1] != '.') return {};
  const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (!std::ranges::all_of(name.substr(name.size() - kDigits), digit)) return {};
  return name.substr(0, name.size() - kDigits - 1);
}

Result<std::shared_ptr<Storage>> OpenDivided(const File& file, const std::string& name, const OpenNamed& open) {
  const std::uint64_t chunk_size = *file.chunk_size;
  if (file.size && CountOf(file) > kMostChunks) return TooMany(file);
  auto chunks = PLATTER_TRY(OpenAll(file, name, open));
  if (chunks.empty() || (file.size && chunks.size() < CountOf(file))) {
    return Wrong(ErrorKind::kCorrupt, "a chunk of the file is missing", ChunkName(name, chunks.size()));
  }
  if (file.size && chunks.size() > CountOf(file)) {
    return Wrong(ErrorKind::kCorrupt, "there are more chunks than the file's size takes",
                 ChunkName(name, chunks.size() - 1));
  }
  const std::string last = ChunkName(name, chunks.size() - 1);
  const std::uint64_t last_size = chunks.back()->size();
  const std::uint64_t in_front = CheckedMultiply<std::uint64_t>(chunks.size() - 1, chunk_size).value_or(UINT64_MAX);
  const auto size = CheckedAdd(in_front, last_size);
  if (file.size) PLATTER_CHECK(CheckSize(*chunks.back(), last, *file.size - in_front));
  if (last_size > chunk_size || (last_size == 0 && chunks.size() > 1)) {
    PLATTER_CHECK(CheckSize(*chunks.back(), last, chunk_size));
  }
  if (!size || *size > INT64_MAX) return Wrong(ErrorKind::kCorrupt, "no file is as long", last);
  return std::shared_ptr<Storage>(std::make_shared<DividedFile>(std::move(chunks), chunk_size, *size));
}

}  // namespace platter::ovf
