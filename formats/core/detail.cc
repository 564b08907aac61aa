#include "formats/core/detail.h"

namespace platter {

Detail::Detail(const Detail&) = default;
Detail& Detail::operator=(const Detail&) = default;
Detail::Detail(Detail&&) noexcept = default;
Detail& Detail::operator=(Detail&&) noexcept = default;
Detail::~Detail() = default;

Detail& Detail::Add(std::string key, Detail value) {
  std::get<Object>(value_).emplace_back(std::move(key), std::move(value));
  return *this;
}

}  // namespace platter
