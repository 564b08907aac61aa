// Files for the recognisers: made by the tools that make them in earnest, or taken from Debian's packages.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/memory_storage.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

namespace platter::amazon {

inline std::vector<std::byte> BytesOf(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

inline std::vector<std::byte> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes(std::filesystem::file_size(path));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path;
  return bytes;
}

// What the shell `script` left in the file "out", run in a folder of its own.
inline std::vector<std::byte> MadeBy(const std::string& script) {
  const test::TempDir folder;
  test::MustRun({"sh", "-ec", "export LC_ALL=C PATH=$PATH:/sbin:/usr/sbin; " + script},
                {.folder = folder.path().string(), .environment = {}, .merge_streams = false});
  return ReadFile(folder.File("out"));
}

inline std::shared_ptr<MemoryStorage> File(std::vector<std::byte> bytes) {
  return std::make_shared<MemoryStorage>("file", std::move(bytes));
}

// The path of a file of Debian's installer.
std::string DebianInstaller(const std::string& name);

// linux-image-cloud-amd64's, whatever its version is.
std::string CloudKernel();

}  // namespace platter::amazon
