// TableWindow: reads an image's tables (L2 tables, refcount blocks) in pieces of useful size, keeps the latest ones,
// and writes through them.
//
// Small clusters are read many at a time, so that walking neighbouring tables costs few system calls. What lies past
// the end of the file reads as zero. One thread at a time.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::qcow2 {

class TableWindow {
 public:
  // Borrows `storage`. Holds at most `memory` bytes, and at least one window.
  TableWindow(Storage& storage, std::uint64_t cluster_size, std::uint64_t memory);

  // The `length` bytes at `offset`, about a cluster; valid until the next call of any kind.
  Result<std::span<const std::byte>> Read(std::uint64_t offset, std::uint64_t length);
  // Fills `into`, about a cluster, with the bytes at `offset`. What is as large as a window is not kept: it is for
  // tables that a walk meets once, and would push out those that it comes back to.
  Result<> ReadOnce(std::uint64_t offset, std::span<std::byte> into);
  // True when the range reads as zeros without a look at it: it lies past the end of the file or in a hole. Asks the
  // host about holes only once more was read than tables that are stored can make: twice what the file has allocated.
  Result<bool> KnownZero(std::uint64_t offset, std::uint64_t length);
  // Writes through to the file.
  Result<> Write(std::uint64_t offset, std::span<const std::byte> bytes);

 private:
  struct Window {
    std::uint64_t index;
    std::vector<std::byte> bytes;
  };

  Result<const Window*> Fetch(std::uint64_t index);

  Storage& storage_;
  std::uint64_t window_size_;
  std::size_t capacity_;
  std::uint64_t bytes_read_ = 0;
  std::list<Window> windows_;  // latest first
  std::unordered_map<std::uint64_t, std::list<Window>::iterator> by_index_;
  std::vector<std::byte> straddling_;
};

}  // namespace platter::qcow2
