#include "tests/support/libqcow.h"

#include <gtest/gtest.h>
#include <libqcow.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tests/support/digest.h"

namespace platter::test {

std::string Sha256ByLibqcow(const std::string& path) {
  libqcow_file_t* file = nullptr;
  size64_t size = 0;
  Sha256 digest;
  bool good = libqcow_file_initialize(&file, nullptr) == 1 &&
              libqcow_file_open(file, path.c_str(), LIBQCOW_OPEN_READ, nullptr) == 1 &&
              libqcow_file_get_media_size(file, &size, nullptr) == 1;
  std::vector<std::byte> bytes(65536);
  for (std::uint64_t at = 0; good && at < size;) {
    const ssize_t count =
        libqcow_file_read_buffer_at_offset(file, bytes.data(), bytes.size(), static_cast<off64_t>(at), nullptr);
    good = count > 0;
    if (good) digest.Add(std::span(bytes).first(static_cast<std::size_t>(count)));
    at += good ? static_cast<std::uint64_t>(count) : 0;
  }
  libqcow_file_free(&file, nullptr);
  EXPECT_TRUE(good) << path;
  return good ? digest.Hex() : "";
}

}  // namespace platter::test
