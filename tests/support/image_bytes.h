// Images that a test has built byte by byte: fields put in, opened through the driver, read whole, damaged by the
// field.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/driver.h"
#include "formats/core/memory_storage.h"
#include "formats/core/reference.h"

namespace platter::test {

// Little-endian.
template <class T>
void Poke(std::vector<std::byte>& bytes, std::size_t offset, T value) {
  StoreLe(bytes.data() + offset, value);
}

inline std::shared_ptr<Storage> InMemory(std::vector<std::byte> bytes) {
  return std::make_shared<MemoryStorage>("image", std::move(bytes));
}

// No other file is opened.
inline Result<std::shared_ptr<Image>> OpenAlone(const FormatDriver& driver, std::shared_ptr<Storage> storage,
                                                Dialect dialect = Dialect::kPlatter) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.dialect = dialect;
  return driver.open(std::move(storage), context);
}

// Everything the layer reads.
inline Result<std::vector<std::byte>> Content(Image& image) {
  std::vector<std::byte> bytes(image.info().virtual_size);
  PLATTER_CHECK(image.ReadAt(0, bytes));
  return bytes;
}

// A value that a field must not have, and the error that names it.
struct HeaderCase {
  const char* name;
  std::size_t offset;
  std::uint64_t value;
  std::size_t width;  // bytes, little-endian
  ErrorKind kind;
  const char* field;
};
inline void PrintTo(const HeaderCase& tested, std::ostream* out) { *out << tested.name; }

// `bytes`: an image that opens without the damage.
inline void ExpectRefusedByName(const FormatDriver& driver, std::vector<std::byte> bytes, const HeaderCase& damage) {
  for (std::size_t i = 0; i < damage.width; ++i) {
    bytes[damage.offset + i] = static_cast<std::byte>(damage.value >> 8 * i);
  }
  const auto image = OpenAlone(driver, InMemory(std::move(bytes)));
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().kind(), damage.kind) << image.error().Describe();
  EXPECT_EQ(image.error().field(), damage.field) << image.error().Describe();
}

}  // namespace platter::test
