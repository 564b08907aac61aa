#include "tests/support/libvmdk.h"

#include <gtest/gtest.h>
#include <libvmdk.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tests/support/digest.h"

namespace platter::test {

std::string Sha256ByLibvmdk(const std::string& path) {
  libvmdk_handle_t* handle = nullptr;
  size64_t size = 0;
  Sha256 digest;
  bool good = libvmdk_handle_initialize(&handle, nullptr) == 1 &&
              libvmdk_handle_open(handle, path.c_str(), LIBVMDK_OPEN_READ, nullptr) == 1 &&
              libvmdk_handle_open_extent_data_files(handle, nullptr) == 1 &&
              libvmdk_handle_get_media_size(handle, &size, nullptr) == 1;
  std::vector<std::byte> bytes(65536);
  for (std::uint64_t at = 0; good && at < size;) {
    const ssize_t count =
        libvmdk_handle_read_buffer_at_offset(handle, bytes.data(), bytes.size(), static_cast<off64_t>(at), nullptr);
    good = count > 0;
    if (good) digest.Add(std::span(bytes).first(static_cast<std::size_t>(count)));
    at += good ? static_cast<std::uint64_t>(count) : 0;
  }
  libvmdk_handle_free(&handle, nullptr);
  EXPECT_TRUE(good) << path;
  return good ? digest.Hex() : "";
}

}  // namespace platter::test
