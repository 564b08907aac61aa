// A block device in memory: it keeps its size, and what it held before does not read as zero.
#pragma once

#include "formats/core/memory_storage.h"

namespace platter::test {

class MemoryDevice : public MemoryStorage {
 public:
  using MemoryStorage::MemoryStorage;
  bool is_device() const noexcept override { return true; }
};

}  // namespace platter::test
