// The user data of a CD that was read sector by sector with everything around it: sectors of 2352 bytes, of which 2048
// are data (ECMA-130 mode 1, CD-ROM XA mode 2 form 1).
#pragma once

#include <memory>
#include <span>

#include "formats/core/read_only_storage.h"
#include "formats/core/result.h"

namespace platter::iso {

class RawSectorStorage : public ReadOnlyStorage {
 public:
  // Whether the first bytes of a file are such a sector.
  static bool Starts(std::span<const std::byte> head) noexcept;
  // Where the user data of the sector lies in its 2352 bytes; 0 for what is no data sector of 2048 bytes.
  static std::size_t DataOffset(std::span<const std::byte> sector) noexcept;

  // Bytes behind the last whole sector are left out.
  explicit RawSectorStorage(std::shared_ptr<Storage> raw);

  std::uint64_t size() const noexcept override;
  std::uint64_t allocated_size() const noexcept override { return raw_->allocated_size(); }
  std::optional<StorageIdentity> identity() const noexcept override { return raw_->identity(); }

 protected:
  // kUnsupported for a sector that holds something else than 2048 bytes of data (audio, mode 2 form 2).
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{size() - offset, true}; }

 private:
  std::shared_ptr<Storage> raw_;
};

// The volume's bytes in an image file: the file itself, or the user data of its raw sectors. A file that holds a volume
// as it stands is that one, whatever its first bytes say: most programs look nowhere else. kIo.
Result<std::shared_ptr<Storage>> UserData(std::shared_ptr<Storage> file);

// Whether the file holds a volume as it stands, and another one in its raw sectors. kIo.
Result<bool> HoldsTwoVolumes(const std::shared_ptr<Storage>& file);

}  // namespace platter::iso
