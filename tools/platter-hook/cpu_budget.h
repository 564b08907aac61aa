// CpuBudget: processor time that grows with the work that an honest image makes.
#pragma once

#include <cstdint>

namespace platter::hook {

// On top of what EnterSandbox allows: a second for each kReadPerSecond bytes of the image, which slow processors read
// and hash in that time, and one for each kUnpackedPerSecond bytes that they unpack to, which slow codecs take. Of the
// latter no more count than deflate can make of what has been read (codec::MostUnpacked): what unpacks to more than
// that gets along with what it has, or is a bomb. Requires: EnterSandbox was called.
class CpuBudget {
 public:
  static constexpr std::uint64_t kReadPerSecond = std::uint64_t{256} << 20;
  static constexpr std::uint64_t kUnpackedPerSecond = std::uint64_t{8} << 20;

  // Seconds that an image of so many bytes can earn.
  static std::uint64_t MostOf(std::uint64_t size) noexcept;

  // So many more bytes of the image have been read, for the first time.
  void AddRead(std::uint64_t bytes) noexcept;
  // So many more have been decompressed.
  void AddUnpacked(std::uint64_t bytes) noexcept;

 private:
  void Extend() noexcept;

  std::uint64_t read_ = 0;
  std::uint64_t unpacked_ = 0;
  std::uint64_t given_ = 0;  // seconds
};

}  // namespace platter::hook
