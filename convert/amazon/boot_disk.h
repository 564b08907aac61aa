// A bootable disk put together from its parts: boot code, partition table, boot partition, root file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::amazon {

// Files placed one behind the other, with zeros between them, seen as one. For reading only. Thread-safe as its parts
// are.
class PlacedStorage : public Storage {
 public:
  struct Part {
    std::uint64_t offset = 0;  // bytes
    std::shared_ptr<Storage> bytes;
  };
  // Requires: parts ascend, do not overlap, and end within `size`.
  PlacedStorage(std::string name, std::vector<Part> parts, std::uint64_t size)
      : Storage(std::move(name)), parts_(std::move(parts)), size_(size) {}

  std::uint64_t size() const noexcept override { return size_; }
  bool writable() const noexcept override { return false; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return Done{}; }

 private:
  // The part at `offset`, or null in a gap; `length`: bytes to the end of the part or gap.
  const Part* At(std::uint64_t offset, std::uint64_t& length) const;

  std::vector<Part> parts_;
  std::uint64_t size_;
};

// Where the boot partition starts: sector 2048.
inline constexpr std::uint64_t kBootOffset = std::uint64_t{1} << 20;
inline constexpr std::size_t kBootCodeBytes = 440;  // of an MBR, before the disk signature

// A disk with an MBR: `boot` (FAT) as its active first partition, `root` as its second one, at multiples of 1 MiB.
// `boot_code`: at most kBootCodeBytes. kLimit where a partition would lie beyond the 2 TiB that an MBR can name.
Result<std::shared_ptr<Storage>> MakeBootDisk(std::span<const std::byte> boot_code, std::uint32_t signature,
                                              std::shared_ptr<Storage> boot, std::shared_ptr<Storage> root);

}  // namespace platter::amazon
