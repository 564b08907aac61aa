// VHDX images as bytes: made by our writer where everything has a known place, changed field by field, with checksums
// and logs made from the specification.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "formats/open.h"
#include "formats/vhdx/crc32c.h"
#include "formats/vhdx/layout.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"

namespace platter::test {

inline constexpr std::uint64_t kLogAt = vhdx::kMiB;
inline constexpr std::uint64_t kMetadataAt = 2 * vhdx::kMiB;
inline constexpr std::uint64_t kBatAt = 3 * vhdx::kMiB;
inline constexpr std::uint64_t kPayloadAt = 4 * vhdx::kMiB;
inline constexpr const char* kPinned = "block_size=1M,uuid=12345678-9abc-def0-1234-56789abcdef0";

inline const FormatDriver& Vhdx() { return *FindFormat("vhdx"); }

inline Result<> WriteVhdx(std::shared_ptr<Storage> storage, const GuestDisk& disk, const std::string& options,
                          const std::string& backing_id = "", std::uint64_t batch_bytes = std::uint64_t{1} << 20) {
  CreateRequest request{.storage = std::move(storage), .virtual_size = disk.size, .backing_id = backing_id};
  request.options = PLATTER_TRY(OptionValues::Parse(options, Vhdx().create_options));
  return WriteThroughDriver(Vhdx(), request, disk, batch_bytes);
}

// Opens, maps and reads everything of this layer: the digest, or the first error.
inline Result<std::string> ReadVhdx(std::shared_ptr<Storage> storage, Dialect dialect = Dialect::kPlatter) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.dialect = dialect;
  auto image = PLATTER_TRY(Vhdx().open(std::move(storage), context));
  const Chain chain({std::move(image)});
  std::vector<std::byte> bytes(chain.virtual_size());
  for (std::uint64_t at = 0; at < chain.virtual_size();) {
    at = PLATTER_TRY(chain.Map(at, chain.virtual_size() - at)).end();
  }
  PLATTER_CHECK(chain.ReadAt(0, bytes));
  return Sha256OfBytes(bytes);
}

inline Result<CheckReport> CheckVhdx(std::shared_ptr<Storage> storage, Repair repair,
                                     Dialect dialect = Dialect::kPlatter) {
  CheckRequest request;
  request.storage = std::move(storage);
  request.repair = repair;
  request.context.dialect = dialect;
  request.log = [](const std::string&) {};
  return Vhdx().check(request);
}

struct VhdxBytes {
  std::vector<std::byte> bytes;

  static VhdxBytes Of(const GuestDisk& disk, const std::string& options = kPinned) {
    const auto storage = std::make_shared<MemoryStorage>();
    const auto written = WriteVhdx(storage, disk, options);
    EXPECT_TRUE(written.ok()) << written.error().Describe();
    return {storage->Snapshot()};
  }

  std::uint64_t U64(std::uint64_t at) const { return LoadLe<std::uint64_t>(&bytes.at(at)); }
  void Put16(std::uint64_t at, std::uint64_t value) { StoreLe(&bytes.at(at), static_cast<std::uint16_t>(value)); }
  void Put32(std::uint64_t at, std::uint64_t value) { StoreLe(&bytes.at(at), static_cast<std::uint32_t>(value)); }
  void Put64(std::uint64_t at, std::uint64_t value) { StoreLe(&bytes.at(at), value); }
  void PutGuid(std::uint64_t at, const vhdx::Guid& guid) { guid.Store(&bytes.at(at)); }

  void SealHeaders() {
    for (const std::uint64_t at : vhdx::kHeaderOffsets) Seal(at, vhdx::HeaderLayout::kSize);
  }
  void SealRegions() {
    for (const std::uint64_t at : vhdx::kRegionTableOffsets) Seal(at, vhdx::RegionTableLayout::kSize);
  }
  void Seal(std::uint64_t at, std::size_t size) { Put32(at + 4, vhdx::ChecksumOf(std::span(bytes).subspan(at, size))); }

  std::shared_ptr<MemoryStorage> Storage() const { return std::make_shared<MemoryStorage>("image", bytes); }
};

// One change that a log entry makes: a sector's new content, or zeros.
struct LogChange {
  std::uint64_t offset = 0;
  std::vector<std::byte> sector;  // empty: zeros
  std::uint64_t zeros = 0;
};

// Lays entries into an image's log, from section 2.3 of the specification.
class LogMaker {
 public:
  LogMaker(VhdxBytes& image, const vhdx::Guid& guid) : image_(image), guid_(guid) {
    for (const std::uint64_t at : vhdx::kHeaderOffsets) image_.PutGuid(at + vhdx::HeaderLayout::kLogGuid, guid);
    image_.SealHeaders();
  }

  std::uint64_t flushed = 0;  // file sizes that entries name
  std::uint64_t last = 0;

  // Bytes of the entry. `position` and `tail` in the log; it wraps.
  std::uint64_t Add(std::uint64_t position, std::uint64_t sequence, std::uint64_t tail,
                    const std::vector<LogChange>& changes) {
    using Header = vhdx::LogEntryHeader;
    using Descriptor = vhdx::LogDescriptor;
    const std::uint64_t head = (Header::kSize + changes.size() * Descriptor::kSize + 4095) / 4096 * 4096;
    std::vector<std::byte> entry(head);
    for (std::size_t index = 0; index < changes.size(); ++index) {
      const LogChange& change = changes[index];
      std::byte* descriptor = entry.data() + Header::kSize + index * Descriptor::kSize;
      Descriptor::kFileOffset.Encode(descriptor, change.offset);
      Descriptor::kSequenceNumber.Encode(descriptor, sequence);
      if (change.sector.empty()) {
        Descriptor::kSignature.Encode(descriptor, vhdx::kZeroDescriptorSignature);
        Descriptor::kZeroLength.Encode(descriptor, change.zeros);
        continue;
      }
      Descriptor::kSignature.Encode(descriptor, vhdx::kDataDescriptorSignature);
      std::copy_n(change.sector.begin(), 8, descriptor + Descriptor::kLeadingBytes.offset);
      std::copy_n(change.sector.begin() + 4092, 4, descriptor + Descriptor::kTrailingBytes.offset);
      std::vector<std::byte> sector = change.sector;
      vhdx::LogDataSector::kSignature.Encode(sector.data(), vhdx::kDataSectorSignature);
      vhdx::LogDataSector::kSequenceHigh.Encode(sector.data(), static_cast<std::uint32_t>(sequence >> 32));
      vhdx::LogDataSector::kSequenceLow.Encode(sector.data(), static_cast<std::uint32_t>(sequence));
      entry.insert(entry.end(), sector.begin(), sector.end());
    }
    Header::kSignature.Encode(entry.data(), vhdx::kLogEntrySignature);
    Header::kEntryLength.Encode(entry.data(), static_cast<std::uint32_t>(entry.size()));
    Header::kTail.Encode(entry.data(), static_cast<std::uint32_t>(tail));
    Header::kSequenceNumber.Encode(entry.data(), sequence);
    Header::kDescriptorCount.Encode(entry.data(), static_cast<std::uint32_t>(changes.size()));
    guid_.Store(entry.data() + Header::kLogGuid);
    Header::kFlushedFileOffset.Encode(entry.data(), flushed);
    Header::kLastFileOffset.Encode(entry.data(), last);
    if (edit) edit(entry);
    Header::kChecksum.Encode(entry.data(), vhdx::ChecksumOf(entry));
    for (std::size_t at = 0; at < entry.size(); ++at) {
      image_.bytes[kLogAt + (position + at) % vhdx::kMiB] = entry[at];
    }
    return entry.size();
  }

  // Spoils an entry before it gets its checksum.
  std::function<void(std::vector<std::byte>&)> edit;

 private:
  VhdxBytes& image_;
  vhdx::Guid guid_;
};

}  // namespace platter::test
