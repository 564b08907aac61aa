// Makes VMDK files through the driver's writer, and asks qemu-img about them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "formats/open.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {

inline std::shared_ptr<Storage> OpenVmdkFile(const std::string& path,
                                             FileMode::Access access = FileMode::Access::kCreate) {
  auto file = FileStorage::Open(path, {.access = access, .cache = CacheMode::kUnsafe});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

// A request for a disk of `size` guest bytes; its other files are made in the image's folder.
inline Result<CreateRequest> NewVmdkRequest(std::shared_ptr<Storage> storage, std::uint64_t size,
                                            const std::string& options) {
  const std::string image = storage->name();
  CreateRequest request;
  request.options = PLATTER_TRY(OptionValues::Parse(options, FindFormat("vmdk")->create_options));
  request.virtual_size = size;
  request.open_side_file = [image](const Reference& wanted) -> Result<std::shared_ptr<Storage>> {
    return OpenVmdkFile(PLATTER_TRY(ResolveReference(wanted, image)));
  };
  request.storage = std::move(storage);
  return request;
}

// Its files are closed, and so unlocked, when it returns.
inline Result<> WriteVmdk(const std::string& path, const GuestDisk& disk, const std::string& options,
                          const std::string& backing_id = "") {
  CreateRequest request = PLATTER_TRY(NewVmdkRequest(OpenVmdkFile(path), disk.size, options));
  request.backing_id = backing_id;
  return WriteThroughDriver(*FindFormat("vmdk"), request, disk);
}

// What the guest reads, by us with all files and backing files of the image.
inline std::string GuestSha256ByUs(const std::string& path) {
  LocalGate gate({});
  OpenContext context;
  context.gate = &gate;
  auto layer = OpenLayer(path, OpenVmdkFile(path, FileMode::Access::kRead), nullptr, context);
  if (!layer.ok()) return layer.error().Describe();
  const auto chain = OpenChain(std::move(layer).value(), context);
  return chain.ok() ? Sha256OfGuest(chain.value().chain()) : chain.error().Describe();
}

// The same by qemu-img; empty after a failure that it added.
inline std::string VmdkSha256ByQemu(const std::string& path) {
  MustRun({"qemu-img", "convert", "-f", "vmdk", "-O", "raw", path, path + ".raw"});
  std::string digest = testing::Test::HasFailure() ? "" : Sha256OfFile(path + ".raw");
  std::filesystem::remove(path + ".raw");
  return digest;
}

}  // namespace platter::test
