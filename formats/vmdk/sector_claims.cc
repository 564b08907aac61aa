#include "formats/vmdk/sector_claims.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/vmdk/layout.h"

namespace platter::vmdk {

SectorClaims::SectorClaims(std::uint64_t begin, std::uint64_t file_size)
    : begin_(begin),
      end_(std::min(begin + kWindowBytes, std::max(begin, file_size))),
      taken_(DivideRoundingUp((end_ - begin_), kSectorSize * 64)) {}

bool SectorClaims::Claim(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t from = std::max(offset, begin_);
  const std::uint64_t to = std::min(CheckedAdd(offset, length).value_or(end_), end_);
  if (from >= to) return true;
  const std::uint64_t first = (from - begin_) / kSectorSize;
  const std::uint64_t last = (to - 1 - begin_) / kSectorSize;
  std::uint64_t met = 0;
  for (std::uint64_t word = first / 64; word <= last / 64; ++word) {
    std::uint64_t bits = ~std::uint64_t{0};
    if (word == first / 64) bits &= ~std::uint64_t{0} << first % 64;
    if (word == last / 64) bits &= ~std::uint64_t{0} >> (63 - last % 64);
    met |= taken_[word] & bits;
    taken_[word] |= bits;
  }
  return met == 0;
}

}  // namespace platter::vmdk
