// Detail: a small ordered tree of named values, in which a format says what only it knows (feature bits, snapshots,
// bitmaps). Tools print it; they need not know the format.
//
// Keys are the JSON spelling: "refcount-bits".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace platter {

class Detail {
 public:
  using List = std::vector<Detail>;
  using Object = std::vector<std::pair<std::string, Detail>>;

  Detail() : value_(Object{}) {}
  Detail(bool value) : value_(value) {}
  Detail(std::int64_t value) : value_(value) {}
  Detail(std::uint64_t value) : value_(value) {}
  Detail(int value) : value_(std::int64_t{value}) {}
  Detail(std::uint32_t value) : value_(std::uint64_t{value}) {}
  Detail(std::string value) : value_(std::move(value)) {}
  Detail(std::string_view value) : value_(std::string(value)) {}
  Detail(const char* value) : value_(std::string(value)) {}
  Detail(List value) : value_(std::move(value)) {}
  Detail(Object value) : value_(std::move(value)) {}

  // Out of line: GCC 12 takes the inlined moves of the variant for uses of uninitialized memory.
  Detail(const Detail&);
  Detail& operator=(const Detail&);
  Detail(Detail&&) noexcept;
  Detail& operator=(Detail&&) noexcept;
  ~Detail();

  const auto& value() const noexcept { return value_; }

  // Requires: this is an object, as a default-made Detail is.
  Detail& Add(std::string key, Detail value);
  // The member of that name, or null. Requires: this is an object.
  const Detail* Find(std::string_view key) const {
    for (const auto& [name, value] : std::get<Object>(value_)) {
      if (name == key) return &value;
    }
    return nullptr;
  }
  bool empty() const {
    const auto* object = std::get_if<Object>(&value_);
    return object != nullptr && object->empty();
  }

 private:
  std::variant<bool, std::int64_t, std::uint64_t, std::string, List, Object> value_;
};

}  // namespace platter
