// A set of 32-bit numbers that takes memory where it has members: which clusters or blocks of a file are in use.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace platter {

class NumberSet {
 public:
  bool Contains(std::uint32_t number) const;
  // False when it was a member before.
  bool Add(std::uint32_t number);
  std::uint64_t memory() const noexcept { return pages_.size() * sizeof(Page); }  // bytes

 private:
  static constexpr std::uint32_t kWordBits = 64;
  static constexpr std::uint32_t kPageWords = 512;
  static constexpr std::uint32_t kPageBits = kPageWords * kWordBits;
  using Page = std::array<std::uint64_t, kPageWords>;

  std::unordered_map<std::uint32_t, std::unique_ptr<Page>> pages_;
};

}  // namespace platter
