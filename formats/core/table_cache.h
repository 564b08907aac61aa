// The pages of an image's allocation tables (entries of 32 or 64 bits in either byte order), cached within a fixed
// budget: nothing grows with the image.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

// A stretch of the file, decoded to the host's byte order. Immutable once it is in the cache.
struct TablePage {
  std::uint64_t offset = 0;  // host bytes, a multiple of the page size
  std::vector<std::uint64_t> words;
};

// How entries lie in the file.
enum class TableWord : std::uint8_t { kBig64, kBig32, kLittle64, kLittle32 };

// Thread-safe. A page that has been handed out stays valid whatever the cache does.
class TableCache {
 public:
  // `table_bytes`: of a typical table, a power of two. `capacity`: bytes of pages held at most (at least one page is).
  TableCache(std::shared_ptr<Storage> storage, std::uint64_t table_bytes, std::uint64_t capacity,
             TableWord word = TableWord::kBig64);

  // Bytes of a page, a power of two: a table, but no more than 64 KiB and no less than 4 KiB.
  std::uint64_t page_bytes() const noexcept { return page_bytes_; }

  // The page that holds host byte `offset`. Bytes past the end of the file read as zero. kIo.
  Result<std::shared_ptr<const TablePage>> Get(std::uint64_t offset);
  // The one entry at host byte `offset`, a multiple of the entry's size. kIo.
  Result<std::uint64_t> Word(std::uint64_t offset);
  // How many of the `most` entries from host byte `offset` on, a multiple of the entry's size, are zero up to the first
  // that is not. Holes of the file are passed over unread. kIo.
  Result<std::uint64_t> CountZeros(std::uint64_t offset, std::uint64_t most);

 private:
  static constexpr std::size_t kWays = 4;
  struct Slot {
    std::shared_ptr<const TablePage> page;
    std::uint64_t last_use = 0;
  };
  // Pages compete for room only within their set, so that threads seldom wait for each other.
  struct Set {
    std::mutex mutex;
    std::array<Slot, kWays> slots;
    std::uint64_t uses = 0;
  };

  Set& SetFor(std::uint64_t offset) noexcept;
  std::shared_ptr<const TablePage> Find(Set& set, std::uint64_t offset) const;
  void Keep(Set& set, std::shared_ptr<const TablePage> page) const;
  Result<std::shared_ptr<const TablePage>> Load(std::uint64_t offset) const;

  std::shared_ptr<Storage> storage_;
  TableWord word_;
  std::uint64_t page_bytes_;  // in the file
  std::size_t ways_;          // of kWays; fewer when the budget is tiny
  std::vector<Set> sets_;
};

}  // namespace platter
