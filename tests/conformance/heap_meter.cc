#include "tests/conformance/heap_meter.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace platter::test {
namespace {

std::atomic<std::size_t> held_bytes{0};
std::atomic<std::size_t> peak_bytes{0};

void* Allocate(std::size_t size, std::size_t alignment) {
  void* memory = alignment == 0 ? std::malloc(size)
                                : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  const std::size_t now = held_bytes += malloc_usable_size(memory);
  std::size_t seen = peak_bytes.load();
  while (seen < now && !peak_bytes.compare_exchange_weak(seen, now)) {
  }
  return memory;
}

void Release(void* memory) noexcept {
  held_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

HeapMeter::HeapMeter() : start_(held_bytes) { peak_bytes = start_; }

std::size_t HeapMeter::peak() const noexcept { return peak_bytes - start_; }

}  // namespace platter::test

void* operator new(std::size_t size) { return platter::test::Allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return platter::test::Allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { platter::test::Release(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { platter::test::Release(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { platter::test::Release(memory); }
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  platter::test::Release(memory);
}
