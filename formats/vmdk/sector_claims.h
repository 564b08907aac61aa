// Who uses which sectors of a host file, a window of the file at a time, so that memory does not grow with the file.
#pragma once

#include <cstdint>
#include <vector>

namespace platter::vmdk {

class SectorClaims {
 public:
  static constexpr std::uint64_t kWindowBytes = std::uint64_t{64} << 30;

  // Of the host bytes [begin, begin + kWindowBytes), as far as the file reaches.
  SectorClaims(std::uint64_t begin, std::uint64_t file_size);

  // Claims the sectors of the host bytes [offset, offset + length), as far as they lie in the window. False when one of
  // them is taken already.
  bool Claim(std::uint64_t offset, std::uint64_t length);

 private:
  std::uint64_t begin_;
  std::uint64_t end_;
  std::vector<std::uint64_t> taken_;  // a bit per sector
};

}  // namespace platter::vmdk
