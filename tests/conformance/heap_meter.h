// How much memory a piece of code holds at most: every operator new of the test program is counted.
#pragma once

#include <cstddef>

namespace platter::test {

class HeapMeter {
 public:
  HeapMeter();
  // Bytes held at most since this meter was made, beyond what was held then.
  std::size_t peak() const noexcept;

 private:
  std::size_t start_;
};

}  // namespace platter::test
