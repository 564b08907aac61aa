#include "formats/vmdk/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/vmdk/reader.h"

namespace platter::vmdk {
namespace {

constexpr std::size_t kShownExtents = 16;

class Inspector {
 public:
  Inspector(Storage& storage, const Limits& limits, Inspection& inspection)
      : storage_(storage), limits_(limits), inspection_(inspection) {}

  Result<> Run() {
    DenyGate gate;
    OpenContext context;
    context.limits = limits_;
    context.gate = &gate;
    context.contents = false;
    const Foundation foundation = PLATTER_TRY(ReadFoundation(storage_, context));
    inspection_.variant = foundation.descriptor.create_type;
    if (!foundation.hosted) {
      InspectFiles(foundation.descriptor);
      return Done{};
    }
    PLATTER_CHECK(CompareDescriptor(foundation.hosted->header));
    return FindEnd(*foundation.hosted);
  }

 private:
  void Add(std::string_view code, Concern concern, std::string message, std::string value,
           std::vector<std::string_view> cves = {}) {
    inspection_.findings.push_back({.code = fmt::format("vmdk.{}", code),
                                    .severity = SeverityOf(concern),
                                    .concern = concern,
                                    .value = std::move(value),
                                    .message = std::move(message),
                                    .cves = std::move(cves)});
  }

  // A name that leads out of the image's own folder on any host.
  static bool LeadsAway(std::string_view name) noexcept { return name.find_first_of("/\\:") != name.npos; }

  void InspectFiles(const Descriptor& descriptor) {
    for (const ExtentLine& extent : descriptor.extents) {
      if (extent.type == ExtentType::kZero || inspection_.findings.size() >= kShownExtents) continue;
      if (LeadsAway(extent.file)) {
        Add("extent_path", Concern::kReference, "an extent is a file somewhere else on the host", extent.file,
            {"CVE-2022-47951"});
      } else {
        Add("extent_file", Concern::kReference, "the disk's bytes are in another file", extent.file,
            {"CVE-2022-47951"});
      }
    }
    if (!descriptor.change_track_path.empty()) {
      Add("change_track_path", Concern::kReference, "changes are tracked in another file",
          descriptor.change_track_path);
    }
  }

  // The header decides how we read the file; a program that believes the descriptor must not read another disk.
  Result<> CompareDescriptor(const SparseHeader& header) {
    std::string text(header.descriptor_size * kSectorSize, '\0');
    PLATTER_CHECK(storage_.ReadAt(header.descriptor_offset * kSectorSize, std::as_writable_bytes(std::span(text))));
    const Descriptor descriptor = PLATTER_TRY(ParseDescriptor(text));
    const auto mismatch = [&](std::string message, std::string value) {
      Add("descriptor_mismatch", Concern::kAmbiguous, std::move(message), std::move(value), {"CVE-2022-47951"});
    };
    const bool stream = descriptor.create_type == "streamOptimized";
    if (descriptor.create_type != "monolithicSparse" && !stream) {
      mismatch("the descriptor calls the file something that its header is not", descriptor.create_type);
    } else if (stream != header.compressed()) {
      mismatch("the descriptor and the header do not agree whether grains are compressed", descriptor.create_type);
    }
    if (descriptor.extents.size() != 1) {
      mismatch("the descriptor lists other extents than the file itself", std::to_string(descriptor.extents.size()));
      return Done{};
    }
    const ExtentLine& extent = descriptor.extents.front();
    if (extent.type != ExtentType::kSparse) {
      mismatch("the descriptor lists an extent that is not sparse", std::string(ExtentTypeName(extent.type)));
    }
    if (extent.sectors != header.capacity) {
      mismatch(fmt::format("the header's capacity is {} sectors", header.capacity), std::to_string(extent.sectors));
    }
    if (LeadsAway(extent.file)) {
      Add("extent_path", Concern::kReference, "the descriptor names a file somewhere else on the host", extent.file,
          {"CVE-2022-47951"});
    }
    return Done{};
  }

  // Where the last grain ends, as far as the tables may be held. A stream's are at its end, which opening it has looked
  // at.
  Result<> FindEnd(const HostedExtent& hosted) {
    const SparseHeader& header = hosted.header;
    const auto start = CheckedMultiply(header.directory, kSectorSize);
    if (hosted.stream_trailer || !start) return Done{};
    const std::uint64_t table_bytes = std::uint64_t{header.table_entries} * kEntrySize;
    const std::uint64_t grain_sectors = header.compressed() ? 1 : header.grain_sectors;
    std::uint64_t room = limits_.metadata_bytes;
    std::uint64_t end = 0;
    const auto directory = PLATTER_TRY(ReadTable(*start, std::min(header.directory_entries() * kEntrySize, room)));
    for (const std::uint64_t table_sector : directory) {
      if (table_sector == 0) continue;
      end = std::max(end, table_sector * kSectorSize + table_bytes);
      if (room < table_bytes || !FitsWithin(table_sector * kSectorSize, table_bytes, storage_.size())) continue;
      room -= table_bytes;
      for (const std::uint64_t grain : PLATTER_TRY(ReadTable(table_sector * kSectorSize, table_bytes))) {
        if (grain > kZeroedGrain) end = std::max(end, (grain + grain_sectors) * kSectorSize);
      }
    }
    inspection_.expected_length = end;
    return Done{};
  }

  // Entries of a directory or a table: sectors.
  Result<std::vector<std::uint32_t>> ReadTable(std::uint64_t offset, std::uint64_t length) {
    std::vector<std::byte> bytes(length);
    PLATTER_CHECK(storage_.ReadPadded(offset, bytes));
    std::vector<std::uint32_t> entries(length / kEntrySize);
    for (std::size_t at = 0; at < entries.size(); ++at) {
      entries[at] = LoadLe<std::uint32_t>(bytes.data() + at * kEntrySize);
    }
    return entries;
  }

  Storage& storage_;
  const Limits& limits_;
  Inspection& inspection_;
};

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection) {
  return Inspector(*storage, limits, inspection).Run();
}

}  // namespace platter::vmdk
