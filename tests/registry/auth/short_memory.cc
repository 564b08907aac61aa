#include "tests/registry/auth/short_memory.h"

#include <cstdlib>
#include <new>

namespace platter::test {
namespace {

thread_local std::size_t t_left = 0;

void* Allocate(std::size_t size) {
  if (t_left > 0 && --t_left == 0) throw std::bad_alloc();
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void FailAllocation(std::size_t nth) noexcept { t_left = nth; }

}  // namespace platter::test

void* operator new(std::size_t size) { return platter::test::Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
