// Opens images and chains through the driver.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "formats/open.h"

namespace platter::test {

inline Result<std::shared_ptr<Image>> TryOpen(std::shared_ptr<Storage> storage, const std::string& options = "",
                                              Dialect dialect = Dialect::kPlatter) {
  const FormatDriver& driver = *FindFormat("vhd");
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.dialect = dialect;
  context.options = PLATTER_TRY(OptionValues::Parse(options, driver.open_options));
  return driver.open(std::move(storage), context);
}

inline Result<OpenedChain> TryOpenChain(const std::string& path) {
  LocalGate gate(FileMode{.lock = false});
  OpenContext context;
  context.gate = &gate;
  std::shared_ptr<Storage> storage = PLATTER_TRY(FileStorage::Open(path, FileMode{.lock = false}));
  return OpenChain(PLATTER_TRY(OpenLayer(path, std::move(storage), nullptr, context)), context);
}

// Guest bytes; 0 and a test failure when the image does not open.
inline std::uint64_t SizeOf(const Result<std::shared_ptr<Image>>& image) {
  EXPECT_TRUE(image.ok()) << image.error().Describe();
  return image.ok() ? image.value()->info().virtual_size : 0;
}

inline std::byte ByteAt(Image& image, std::uint64_t offset) {
  std::byte value{0xEE};
  const auto read = image.ReadAt(offset, {&value, 1});
  EXPECT_TRUE(read.ok()) << read.error().Describe();
  return value;
}

// The error's text; "opened" when there is none.
inline std::string ErrorOf(const Result<std::shared_ptr<Image>>& image) {
  return image.ok() ? "opened" : image.error().Describe();
}

}  // namespace platter::test
