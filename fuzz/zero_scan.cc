// The search for bytes that are not zero, on the CPU's best instructions and in the plain loop, at every alignment.
#include "convert/kernels/zero_scan.h"

#include <algorithm>
#include <vector>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  std::vector<std::byte> bytes(reader.Below(5000));
  const std::size_t skip = reader.Byte() % 64;
  while (!reader.empty() && !bytes.empty()) {
    const std::size_t at = reader.Word() % bytes.size();
    bytes[at] = std::byte(reader.Byte());
  }
  const auto part = std::span(bytes).subspan(std::min(skip, bytes.size()));
  Promise(kernels::FindNonZero(part) == kernels::FindNonZeroReference(part), "the kernel equals the plain loop");
}

}  // namespace platter::fuzz
