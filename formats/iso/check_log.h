// The findings of a check: counted, and told to the caller up to a number that a person may still want to read.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace platter::iso {

class CheckLog {
 public:
  explicit CheckLog(const std::function<void(const std::string&)>& log) : log_(log) {}

  void Add(const std::string& finding) {
    if (++count_ <= kMostTold) log_(finding);
    if (count_ == kMostTold + 1) log_("further findings are counted only");
  }
  // Of what keeps nobody from reading the volume, and does not count.
  void Warn(const std::string& warning) {
    if (++warnings_ <= kMostTold) log_("WARNING " + warning);
  }
  std::uint64_t count() const noexcept { return count_; }

 private:
  static constexpr std::uint64_t kMostTold = 1000;
  const std::function<void(const std::string&)>& log_;
  std::uint64_t count_ = 0;
  std::uint64_t warnings_ = 0;
};

}  // namespace platter::iso
