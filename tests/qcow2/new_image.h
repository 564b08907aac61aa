// Makes qcow2 files through the driver's writer, and asks qemu-img about them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {

inline std::shared_ptr<Storage> OpenFile(const std::string& path, FileMode::Access access = FileMode::Access::kCreate) {
  auto file = FileStorage::Open(path, {.access = access, .cache = CacheMode::kUnsafe});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

// A request for a disk of `size` guest bytes. "DIR" in the options stands for the image's folder: qemu looks for a data
// file from its own working directory.
inline Result<CreateRequest> NewImageRequest(std::shared_ptr<Storage> storage, std::uint64_t size, std::string options,
                                             bool compress = false) {
  const std::string folder = std::filesystem::path(storage->name()).parent_path().string();
  if (const auto at = options.find("DIR"); at != std::string::npos) options.replace(at, 3, folder);
  CreateRequest request;
  request.options = PLATTER_TRY(OptionValues::Parse(options, FindFormat("qcow2")->create_options));
  request.virtual_size = size;
  request.compress = compress;
  request.open_side_file = [](const Reference& wanted) -> Result<std::shared_ptr<Storage>> {
    return OpenFile(wanted.text);
  };
  request.storage = std::move(storage);
  return request;
}

inline Result<> WriteImage(std::shared_ptr<Storage> storage, const GuestDisk& disk, const std::string& options,
                           bool compress = false, std::uint64_t batch_bytes = std::uint64_t{1} << 20) {
  const CreateRequest request = PLATTER_TRY(NewImageRequest(std::move(storage), disk.size, options, compress));
  return WriteThroughDriver(*FindFormat("qcow2"), request, disk, batch_bytes);
}

inline void ExpectWritten(const Result<>& outcome) { ASSERT_TRUE(outcome.ok()) << outcome.error().Describe(); }

// What the guest reads, by qemu-img; empty after a failure that it added.
inline std::string GuestSha256ByQemu(const std::string& path) {
  MustRun({"qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, path + ".raw"});
  std::string digest = testing::Test::HasFailure() ? "" : Sha256OfFile(path + ".raw");
  std::filesystem::remove(path + ".raw");
  return digest;
}

inline void ExpectClean(const std::string& path) {
  const std::string report = MustRun({"qemu-img", "check", "-f", "qcow2", path});
  EXPECT_NE(report.find("No errors were found on the image."), std::string::npos) << report;
}

}  // namespace platter::test
