// What is wrong with a volume that can be read all the same.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace platter::iso {

// Keeps the first kMost findings and counts the rest.
class Findings {
 public:
  static constexpr std::size_t kMost = 100;

  void Add(std::string finding) {
    if (++count_ <= kMost) list_.push_back(std::move(finding));
  }
  const std::vector<std::string>& list() const noexcept { return list_; }
  std::uint64_t count() const noexcept { return count_; }

 private:
  std::vector<std::string> list_;
  std::uint64_t count_ = 0;
};

}  // namespace platter::iso
