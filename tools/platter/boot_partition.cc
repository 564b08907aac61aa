#include "tools/platter/boot_partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "convert/amazon/boot_disk.h"
#include "formats/core/checked.h"
#include "formats/core/file_storage.h"

namespace platter::cli {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kSector = 512;

Result<std::shared_ptr<FileStorage>> MakeFile(const std::string& path) {
  return FileStorage::Open(path, {.access = FileMode::Access::kCreate, .cache = CacheMode::kUnsafe, .lock = false});
}

Result<std::string> CopyOut(const ScratchFolder& scratch, const std::string& name, Storage& source) {
  const auto target = PLATTER_TRY(MakeFile(scratch.File(name)));
  std::vector<std::byte> buffer(kMiB);
  for (std::uint64_t at = 0; at < source.size();) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), source.size() - at));
    PLATTER_CHECK(source.ReadAt(at, piece));
    PLATTER_CHECK(target->WriteAt(at, piece));
    at += piece.size();
  }
  return scratch.File(name);
}

Result<std::string> WriteText(const ScratchFolder& scratch, const std::string& name, const std::string& text) {
  const auto target = PLATTER_TRY(MakeFile(scratch.File(name)));
  PLATTER_CHECK(target->WriteAt(0, std::as_bytes(std::span(text))));
  return scratch.File(name);
}

std::string Configuration(const BootPartitionRequest& request) {
  return fmt::format("DEFAULT linux\nPROMPT 0\nTIMEOUT 0\n\nLABEL linux\n  LINUX /vmlinuz\n{}  APPEND {}\n",
                     request.ramdisk == nullptr ? "" : "  INITRD /initrd.img\n", request.command_line);
}

// Times in the file system are those of FAT's first day, so that they say nothing about today.
const std::vector<std::string> kEnvironment = {"SOURCE_DATE_EPOCH=315532800", "TZ=UTC", "MTOOLS_SKIP_CHECK=1",
                                               "MTOOLSRC=/dev/null", "LC_ALL=C"};

Result<> Run(const std::vector<std::string>& argv) {
  return RunProgram(argv, kEnvironment, argv.front() == "syslinux" ? "syslinux" : "mtools");
}

}  // namespace

Result<std::shared_ptr<Storage>> MakeBootPartition(const ScratchFolder& scratch, const BootPartitionRequest& request) {
  constexpr std::uint64_t kRoomForLoader = 8 * kMiB;
  constexpr std::uint64_t kSmallest = 32 * kMiB;
  constexpr std::uint64_t kLargest = 2000 * kMiB;
  const std::uint64_t files = request.kernel->size() + (request.ramdisk == nullptr ? 0 : request.ramdisk->size());
  if (files > kLargest - kRoomForLoader) {
    return Error(ErrorKind::kLimit, "kernel and ramdisk are too large for the boot partition")
        .Found(files)
        .Allowed(fmt::format("up to {}", kLargest - kRoomForLoader));
  }
  const std::uint64_t size = std::max(kSmallest, AlignUp(files + kRoomForLoader, kMiB));
  const std::string path = scratch.File("boot.fat");
  const auto file = PLATTER_TRY(MakeFile(path));
  PLATTER_CHECK(file->Resize(size));
  PLATTER_CHECK(Run({"mformat", "-i", path, "-T", std::to_string(size / kSector), "-h", "255", "-s", "63", "-H",
                     std::to_string(amazon::kBootOffset / kSector), "-N", fmt::format("{:08x}", request.serial), "-v",
                     "BOOT", "::"}));
  const auto put = [&path](const std::string& from, const std::string& name) {
    return Run({"mcopy", "-i", path, from, "::/" + name});
  };
  const auto kernel = PLATTER_TRY(CopyOut(scratch, "vmlinuz", *request.kernel));
  PLATTER_CHECK(put(kernel, "vmlinuz"));
  if (request.ramdisk != nullptr) {
    const auto ramdisk = PLATTER_TRY(CopyOut(scratch, "initrd.img", *request.ramdisk));
    PLATTER_CHECK(put(ramdisk, "initrd.img"));
  }
  const auto configuration = PLATTER_TRY(WriteText(scratch, "syslinux.cfg", Configuration(request)));
  PLATTER_CHECK(put(configuration, "syslinux.cfg"));
  PLATTER_CHECK(Run({"syslinux", "--install", path}));
  return std::shared_ptr<Storage>(PLATTER_TRY(FileStorage::Open(path, {.lock = false})));
}

Result<std::vector<std::byte>> ReadBootCode() {
  constexpr std::array kPlaces = {"/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/syslinux/bios/mbr.bin",
                                  "/usr/share/syslinux/mbr.bin"};
  for (const char* place : kPlaces) {
    const auto file = FileStorage::Open(place, {.lock = false});
    if (!file.ok()) continue;
    std::vector<std::byte> code(std::min<std::uint64_t>(file.value()->size(), amazon::kBootCodeBytes));
    PLATTER_CHECK(file.value()->ReadAt(0, code));
    return code;
  }
  return Error(ErrorKind::kUnsupported, "this takes syslinux's mbr.bin, which is not there")
      .Try("install the package syslinux-common");
}

}  // namespace platter::cli
