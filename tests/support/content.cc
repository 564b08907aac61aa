#include "tests/support/content.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace platter::test {

std::vector<std::byte> FileBytes(const std::string& path) {
  std::error_code error;
  std::vector<std::byte> bytes(std::filesystem::exists(path) ? std::filesystem::file_size(path, error) : 0);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good() && !error) << path << " cannot be read";
  return bytes;
}

std::string DebianFile(const std::string& package, const std::string& path) {
  return std::string(PLATTER_IMAGES) + "/" + package + "/" + path;
}

bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

bool AllZero(std::span<const std::byte> bytes) {
  // Zeros are what begins with one and stays the same.
  return bytes.empty() || (bytes.front() == std::byte{0} && SameBytes(bytes.subspan(1), bytes.first(bytes.size() - 1)));
}

std::size_t FirstDifference(std::span<const std::byte> a, std::span<const std::byte> b) {
  constexpr std::size_t kBlock = 4096;
  const std::size_t shared = std::min(a.size(), b.size());
  for (std::size_t at = 0; at < shared; at += kBlock) {
    const std::size_t length = std::min(kBlock, shared - at);
    if (SameBytes(a.subspan(at, length), b.subspan(at, length))) continue;
    while (a[at] == b[at]) ++at;
    return at;
  }
  return shared;
}

}  // namespace platter::test
