// Reading a list of records of varying length front to back, a window at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::qcow2 {

class ListReader {
 public:
  // The list occupies the file from `begin` to at most `end`, both host bytes. `storage` must outlive the reader.
  // `structure` names the list in errors.
  ListReader(Storage& storage, std::string structure, std::uint64_t begin, std::uint64_t end);

  // Host offset of what Take gives next.
  std::uint64_t position() const noexcept { return position_; }

  // The next `count` bytes, valid until the next call. kCorrupt naming `field` when the list's end comes first; kIo.
  Result<std::span<const std::byte>> Take(std::uint64_t count, const std::string& field);
  // Passes over `count` bytes. kCorrupt as Take.
  Result<> Skip(std::uint64_t count, const std::string& field);
  // Passes over the padding that ends a record.
  Result<> AlignTo(std::uint64_t alignment, const std::string& field);

 private:
  Error TooShort(std::uint64_t count, const std::string& field) const;

  Storage& storage_;
  std::string structure_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::vector<std::byte> window_;
  std::uint64_t window_begin_ = 0;  // host bytes
};

}  // namespace platter::qcow2
