#include "formats/core/preallocation.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace platter {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

Result<> FillWithZeros(Storage& storage, std::uint64_t offset, std::uint64_t length) {
  const std::vector<std::byte> zeros(std::min(kPieceBytes, length));
  for (std::uint64_t done = 0; done < length;) {
    const auto part = std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), length - done));
    PLATTER_CHECK(storage.WriteAt(offset + done, part));
    done += part.size();
  }
  return Done{};
}

}  // namespace

std::optional<Preallocation> PreallocationOf(std::string_view word) noexcept {
  if (word == "off") return Preallocation::kOff;
  if (word == "falloc") return Preallocation::kFalloc;
  if (word == "full") return Preallocation::kFull;
  return std::nullopt;
}

Result<Preallocation> ParsePreallocation(const OptionValues& values) {
  const std::string mode = values.Text("preallocation").value_or("off");
  if (const auto preallocation = PreallocationOf(mode)) return *preallocation;
  const bool known = mode == "metadata";
  return RefusedOption("preallocation",
                       known ? "Unsupported preallocation mode: metadata" : "invalid parameter value: " + mode)
      .Allowed("off, falloc, full");
}

Result<> Preallocate(Storage& storage, Preallocation mode, std::uint64_t offset, std::uint64_t length) {
  if (mode == Preallocation::kFalloc) return storage.Allocate(offset, length);
  if (mode == Preallocation::kFull) return FillWithZeros(storage, offset, length);
  return Done{};
}

}  // namespace platter
