// Disks with partition tables made by fdisk's and gptfdisk's tools.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/memory_storage.h"
#include "formats/partition/partition_table.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

namespace platter::partition {

// The bytes of a new disk of `size` ("16M") on which the shell `script` was run, "$0" being the file.
inline std::vector<std::byte> DiskMadeBy(const std::string& size, const std::string& script,
                                         std::string* dump = nullptr) {
  const test::TempDir folder;
  const std::string path = folder.File("disk.raw");
  test::MustRun({"truncate", "-s", size, path});
  test::MustRun({"sh", "-ec", "export LC_ALL=C PATH=$PATH:/sbin:/usr/sbin; " + script, path});
  if (dump != nullptr) *dump = test::MustRun({"sh", "-c", "PATH=$PATH:/sbin:/usr/sbin sfdisk -d \"$0\"", path});
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes(std::filesystem::file_size(path));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path;
  return bytes;
}

inline std::shared_ptr<MemoryStorage> Disk(std::vector<std::byte> bytes) {
  return std::make_shared<MemoryStorage>("disk", std::move(bytes));
}

// A disk that must have a table.
inline PartitionTable TableOf(const std::vector<std::byte>& bytes) {
  auto table = ReadPartitionTable(*Disk(bytes));
  if (!table.ok()) {
    ADD_FAILURE() << table.error().Describe();
    return {};
  }
  EXPECT_TRUE(table.value().has_value());
  return table.value().value_or(PartitionTable{});
}

}  // namespace platter::partition
