#include "formats/iso/raw_sectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/iso/layout.h"
#include "formats/iso/volume.h"

namespace platter::iso {
namespace {

constexpr std::array<std::uint8_t, 12> kSync = {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0};

bool HasSync(std::span<const std::byte> sector) noexcept {
  return std::ranges::equal(sector.first(kSync.size()), kSync,
                            [](std::byte a, std::uint8_t b) { return std::to_integer<std::uint8_t>(a) == b; });
}

Result<bool> StartsWithRawSector(Storage& file) {
  std::vector<std::byte> head(std::min<std::uint64_t>(file.size(), kRawSectorSize));
  PLATTER_CHECK(file.ReadAt(0, head));
  return RawSectorStorage::Starts(head);
}

}  // namespace

bool RawSectorStorage::Starts(std::span<const std::byte> head) noexcept {
  return head.size() >= kRawSectorSize && DataOffset(head) != 0;
}

std::size_t RawSectorStorage::DataOffset(std::span<const std::byte> sector) noexcept {
  if (!HasSync(sector)) return 0;
  const auto mode = std::to_integer<unsigned>(sector[kRawMode]);
  if (mode == 1) return kRawMode1Data;
  const bool form2 = (std::to_integer<unsigned>(sector[kRawSubmode]) & kSubmodeForm2) != 0;
  return mode == 2 && !form2 ? kRawMode2Data : 0;
}

RawSectorStorage::RawSectorStorage(std::shared_ptr<Storage> raw) : ReadOnlyStorage(raw->name()), raw_(std::move(raw)) {}

std::uint64_t RawSectorStorage::size() const noexcept { return raw_->size() / kRawSectorSize * kSectorSize; }

Result<> RawSectorStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  constexpr std::uint64_t kSectorsAtOnce = 28;  // just below 64 KiB
  std::vector<std::byte> raw;
  while (!out.empty()) {
    const std::uint64_t first = offset / kSectorSize;
    const std::uint64_t last = (offset + out.size() - 1) / kSectorSize;
    const std::uint64_t count = std::min(last - first + 1, kSectorsAtOnce);
    raw.resize(count * kRawSectorSize);
    PLATTER_CHECK(raw_->ReadAt(first * kRawSectorSize, raw));
    for (std::uint64_t at = 0; at < count; ++at) {
      const auto sector = std::span<const std::byte>(raw).subspan(at * kRawSectorSize, kRawSectorSize);
      const std::size_t data = DataOffset(sector);
      if (data == 0) {
        return Error(ErrorKind::kUnsupported, "a sector of the CD does not hold 2048 bytes of data")
            .In(name())
            .At("CD sector", "mode", (first + at) * kRawSectorSize + kRawMode)
            .Found(std::to_integer<unsigned>(sector[kRawMode]))
            .Allowed("mode 1, mode 2 form 1");
      }
      const std::uint64_t skip = offset % kSectorSize;
      const std::size_t length = std::min<std::uint64_t>(kSectorSize - skip, out.size());
      std::ranges::copy(sector.subspan(data + skip, length), out.begin());
      out = out.subspan(length);
      offset += length;
    }
  }
  return Done{};
}

Result<std::shared_ptr<Storage>> UserData(std::shared_ptr<Storage> file) {
  const bool raw = PLATTER_TRY(StartsWithRawSector(*file));
  if (!raw || PLATTER_TRY(StartsVolume(*file))) return file;
  return std::shared_ptr<Storage>(std::make_shared<RawSectorStorage>(std::move(file)));
}

Result<bool> HoldsTwoVolumes(const std::shared_ptr<Storage>& file) {
  const bool raw = PLATTER_TRY(StartsWithRawSector(*file));
  if (!raw || !PLATTER_TRY(StartsVolume(*file))) return false;
  RawSectorStorage sectors(file);
  const auto second = StartsVolume(sectors);
  if (!second.ok() && second.error().kind() == ErrorKind::kIo) return Error(ErrorKind::kIo, second.error().what());
  return second.ok() && second.value();
}

}  // namespace platter::iso
