// A page-aligned buffer, as O_DIRECT wants it, whose pages cost nothing until they are touched. From 2 MiB on they are
// huge pages where the host has them: the kernel then copies to and from them in fewer pieces.
#pragma once

#include <cstddef>
#include <span>

#include "formats/core/result.h"

namespace platter::copy {

class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // The buffer's first `length` bytes, made on the first call. Requires: `length` <= `capacity`, the same every time.
  // kIo (ENOMEM) when the host has no memory.
  Result<std::span<std::byte>> Get(std::size_t length, std::size_t capacity);

 private:
  void* memory_ = nullptr;
  std::size_t mapped_ = 0;
  std::size_t start_ = 0;  // of the buffer in what is mapped
};

}  // namespace platter::copy
