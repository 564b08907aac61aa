#include "convert/copy/buffer.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

#include "formats/core/checked.h"

namespace platter::copy {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

Buffer::~Buffer() {
  if (memory_ != nullptr) munmap(memory_, mapped_);
}

Result<std::span<std::byte>> Buffer::Get(std::size_t length, std::size_t capacity) {
  if (memory_ == nullptr) {
    const bool huge = capacity >= kHugePage;
    const std::size_t mapped = capacity + (huge ? kHugePage : 0);
    void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return Error::FromErrno(errno, "cannot get memory for a buffer");
    memory_ = memory;
    mapped_ = mapped;
    if (huge) {
      start_ = AlignUp(reinterpret_cast<std::uintptr_t>(memory), kHugePage) - reinterpret_cast<std::uintptr_t>(memory);
      // A host without huge pages refuses, or gives small ones: those do as well.
      static_cast<void>(madvise(static_cast<std::byte*>(memory) + start_, capacity, MADV_HUGEPAGE));
    }
  }
  return std::span(static_cast<std::byte*>(memory_) + start_, length);
}

}  // namespace platter::copy
