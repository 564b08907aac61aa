#include "convert/copy/buffer.h"

#include <sys/mman.h>

#include <cerrno>

namespace platter::copy {

Buffer::~Buffer() {
  if (memory_ != nullptr) munmap(memory_, capacity_);
}

Result<std::span<std::byte>> Buffer::Get(std::size_t length, std::size_t capacity) {
  if (memory_ == nullptr) {
    void* memory = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return Error::FromErrno(errno, "cannot get memory for a buffer");
    memory_ = memory;
    capacity_ = capacity;
  }
  return std::span(static_cast<std::byte*>(memory_), length);
}

}  // namespace platter::copy
