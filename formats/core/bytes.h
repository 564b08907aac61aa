// On-disk records as named fields over bytes: no packed structs, no casts, no assumption about the host's byte order.
//
// A layout is a struct of constants, offsets as in the specification:
//   struct Footer {
//     static constexpr std::size_t kSize = 512;
//     static constexpr Be<std::uint64_t> kCurrentSize{48};
//   };
// RecordView reads through it and RecordEditor writes through it, so reader and writer cannot disagree.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace platter {

template <std::unsigned_integral T>
constexpr T ByteSwap(T value) noexcept {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <std::endian Order, std::unsigned_integral T>
constexpr T ToOrder(T value) noexcept {
  return Order == std::endian::native ? value : ByteSwap(value);
}

// Requires: sizeof(T) bytes at `from`, at any alignment.
template <std::unsigned_integral T, std::endian Order>
T Load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return ToOrder<Order>(value);
}
template <std::unsigned_integral T>
T LoadBe(const std::byte* from) noexcept {
  return Load<T, std::endian::big>(from);
}
template <std::unsigned_integral T>
T LoadLe(const std::byte* from) noexcept {
  return Load<T, std::endian::little>(from);
}

// Requires: room for sizeof(T) bytes at `to`, at any alignment.
template <std::endian Order, std::unsigned_integral T>
void Store(std::byte* to, T value) noexcept {
  value = ToOrder<Order>(value);
  std::memcpy(to, &value, sizeof(T));
}
template <std::unsigned_integral T>
void StoreBe(std::byte* to, T value) noexcept {
  Store<std::endian::big>(to, value);
}
template <std::unsigned_integral T>
void StoreLe(std::byte* to, T value) noexcept {
  Store<std::endian::little>(to, value);
}

template <std::unsigned_integral T, std::endian Order>
struct Field {
  using Value = T;
  static constexpr std::size_t kWidth = sizeof(T);
  std::size_t offset;  // bytes from the start of the record

  T Decode(const std::byte* record) const noexcept { return Load<T, Order>(record + offset); }
  void Encode(std::byte* record, T value) const noexcept { Store<Order>(record + offset, value); }
};
template <std::unsigned_integral T>
using Be = Field<T, std::endian::big>;
template <std::unsigned_integral T>
using Le = Field<T, std::endian::little>;

// Borrows; the bytes must outlive the view. A field past the record does not compile.
template <class Layout>
class RecordView {
 public:
  explicit constexpr RecordView(std::span<const std::byte, Layout::kSize> bytes) : bytes_(bytes) {}

  template <auto kField>
  requires(kField.offset + decltype(kField)::kWidth <= Layout::kSize) auto Get() const noexcept {
    return kField.Decode(bytes_.data());
  }

 private:
  std::span<const std::byte, Layout::kSize> bytes_;
};

// The writing twin of RecordView.
template <class Layout>
class RecordEditor {
 public:
  explicit constexpr RecordEditor(std::span<std::byte, Layout::kSize> bytes) : bytes_(bytes) {}

  template <auto kField>
  requires(kField.offset + decltype(kField)::kWidth <=
           Layout::kSize) void Set(typename decltype(kField)::Value value) noexcept {
    kField.Encode(bytes_.data(), value);
  }

 private:
  std::span<std::byte, Layout::kSize> bytes_;
};

}  // namespace platter
