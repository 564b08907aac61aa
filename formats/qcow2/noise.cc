#include "formats/qcow2/noise.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace platter::qcow2 {
namespace {

constexpr std::size_t kValues = 256;
constexpr std::size_t kSample = 4096;  // bytes
constexpr double kLeast = 170;
constexpr double kMost = 340;

using Counts = std::array<std::uint32_t, kValues>;

// Counters of their own for the bytes of each half word, so that a byte seldom waits for the one before it.
class Histogram {
 public:
  void Add(std::span<const std::byte> bytes) noexcept {
    total_ += bytes.size();
    std::size_t at = 0;
    for (; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, sizeof(word));
      Count<0>(word);
      Count<1>(word);
      Count<2>(word);
      Count<3>(word);
      Count<4>(word);
      Count<5>(word);
      Count<6>(word);
      Count<7>(word);
    }
    for (; at < bytes.size(); ++at) ++counts_[0][std::to_integer<std::size_t>(bytes[at])];
  }

  double ChiSquared() const noexcept {
    std::uint64_t squares = 0;
    for (std::size_t value = 0; value < kValues; ++value) {
      std::uint64_t count = 0;
      for (const Counts& counts : counts_) count += counts[value];
      squares += count * count;
    }
    const auto total = static_cast<double>(total_);
    return static_cast<double>(squares) * kValues / total - total;
  }

 private:
  template <unsigned Byte>
  void Count(std::uint64_t word) noexcept {
    ++counts_[Byte % 4][word >> (8 * Byte) & 0xFF];
  }

  std::array<Counts, 4> counts_{};
  std::size_t total_ = 0;
};

bool IsEven(double statistic) noexcept { return statistic >= kLeast && statistic <= kMost; }

}  // namespace

bool LooksLikeNoise(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < kSample) return false;
  Histogram histogram;
  histogram.Add(bytes.first(kSample));
  if (!IsEven(histogram.ChiSquared())) return false;
  histogram.Add(bytes.subspan(kSample));
  return IsEven(histogram.ChiSquared());
}

}  // namespace platter::qcow2
