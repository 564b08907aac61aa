#include "formats/vmdk/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/sparse_layout.h"

namespace platter::vmdk {
namespace {

constexpr std::size_t kShownExtents = 16;
constexpr std::size_t kShownName = 1023;  // bytes
// Where qemu looks for a parent, whatever the header says of the descriptor: behind a header, or at a text's start.
constexpr std::size_t kSearchedBytes = kDescriptorSectors * kSectorSize;

// Takes `text` up to and with `word` off it. False when it does not stand there.
bool SkipPast(std::string_view word, std::string_view& text) noexcept {
  const std::size_t at = text.find(word);
  if (at == std::string_view::npos) return false;
  text.remove_prefix(at + word.size());
  return true;
}

// Whether what stands behind "parentCID" is the CID of a disk.
bool IsCid(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t=\""), text.size()));
  std::uint64_t cid = kNoParent;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cid, 16);
  return error == std::errc::result_out_of_range || cid != kNoParent;
}

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
    PLATTER_CHECK(FindParentsAsQemu());
    const Foundation foundation = PLATTER_TRY(ReadFoundation(storage_, context));
    inspection_.variant = foundation.descriptor.create_type;
    if (!foundation.hosted) {
      InspectFiles(foundation.descriptor);
      return Done{};
    }
    PLATTER_CHECK(CompareDescriptor(foundation.hosted->header));
    InspectFlags(foundation.hosted->header);
    if (foundation.hosted->stream_trailer) {
      InspectTrailer();
      return Done{};
    }
    PLATTER_CHECK(CompareDirectories(*foundation.hosted));
    return FindEnd(foundation.hosted->header);
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

  Result<> FindParentsAsQemu() {
    std::string text(kSectorSize + kSearchedBytes, '\0');
    PLATTER_CHECK(storage_.ReadPadded(0, std::as_writable_bytes(std::span(text))));
    FindParents(std::string_view(text).substr(text.starts_with("KDMV") ? kSectorSize : 0, kSearchedBytes));
    return Done{};
  }

  // qemu follows the first name, in a comment too, and whatever parentCID says.
  void FindParents(std::string_view text) {
    const auto add = [&](std::string_view value) {
      Add("parent", Concern::kReference, "the image is a layer above another file", std::string(value));
    };
    text = text.substr(0, text.find('\0'));
    const std::size_t before = inspection_.findings.size();
    for (std::string_view rest = text; SkipPast("parentFileNameHint", rest);) {
      if (inspection_.findings.size() >= kShownExtents) break;
      const std::string_view behind = rest.substr(std::min<std::size_t>(rest.size(), 2));  // the sign and a quote
      const std::string_view shown = behind.substr(0, kShownName);
      const std::string_view name = shown.substr(0, shown.find('"'));
      if (!name.empty()) add(name);
    }
    for (std::string_view rest = text; SkipPast("parentCID", rest);) {
      if (inspection_.findings.size() == before && IsCid(rest)) add("another CID than ffffffff");
    }
  }

  void InspectFiles(const Descriptor& descriptor) {
    const auto zero = [](const ExtentLine& extent) { return extent.type == ExtentType::kZero; };
    if (!descriptor.extents.empty() && std::ranges::all_of(descriptor.extents, zero)) {
      Add("extent_description", Concern::kAmbiguous, "no extent has bytes: programs read zeros, or fail", "");
    }
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
    InspectTracking(descriptor);
  }

  void InspectTracking(const Descriptor& descriptor) {
    if (descriptor.change_track_path.empty()) return;
    Add("change_track_path", Concern::kReference, "changes are tracked in another file", descriptor.change_track_path);
  }

  // The header decides how we read the file; a program that believes the descriptor must not read another disk.
  Result<> CompareDescriptor(const SparseHeader& header) {
    std::string text(header.descriptor_size * kSectorSize, '\0');
    PLATTER_CHECK(storage_.ReadAt(header.descriptor_offset * kSectorSize, std::as_writable_bytes(std::span(text))));
    const Descriptor descriptor = PLATTER_TRY(ParseDescriptor(text, limits_));
    const auto mismatch = [&](std::string message, std::string value) {
      Add("descriptor_mismatch", Concern::kAmbiguous, std::move(message), std::move(value), {"CVE-2022-47951"});
    };
    FindParents(text);
    InspectTracking(descriptor);
    if (header.descriptor_offset != kDescriptorSector) {
      mismatch("the descriptor is not where programs look for it that do not ask the header",
               std::to_string(header.descriptor_offset));
    }
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
    if (header.RoundsUp(extent.sectors)) {
      Add("capacity", Concern::kNone, fmt::format("the header's capacity is {} sectors", header.capacity),
          std::to_string(extent.sectors));
      inspection_.findings.back().severity = Severity::kWarning;
    } else if (extent.sectors != header.capacity) {
      mismatch(fmt::format("the header's capacity is {} sectors", header.capacity), std::to_string(extent.sectors));
    }
    if (LeadsAway(extent.file)) {
      Add("extent_path", Concern::kReference, "the descriptor names a file somewhere else on the host", extent.file,
          {"CVE-2022-47951"});
    }
    return Done{};
  }

  // qemu and VirtualBox go by the algorithm, libvmdk by the flags: it reads stored bytes as the guest's, or inflates
  // those. Who has a stream's flags looks for the grain directory at the end.
  void InspectFlags(const SparseHeader& header) {
    constexpr std::uint32_t kStream = kFlagCompressed | kFlagMarkers;
    if ((header.flags & kStream) == (header.compressed() ? kStream : 0)) return;
    Add("stream_flags", Concern::kAmbiguous,
        "the flags and the algorithm do not agree whether grains are compressed, with markers in front: programs go by "
        "the one or the other",
        fmt::format("{:#x}", header.flags));
  }

  // A stream's tables are at its end, which opening it has looked at.
  void InspectTrailer() {
    if (IsAligned(storage_.size(), kSectorSize)) return;
    Add("truncated", Concern::kTruncated, "the stream ends inside a sector", std::to_string(storage_.size()));
  }

  // Whoever reads the one and whoever reads the other must read the same disk; as far as the tables may be held.
  Result<> CompareDirectories(const HostedExtent& hosted) {
    const SparseHeader& header = hosted.header;
    if (hosted.directory_damaged) {
      AddDirectory("the grain directory is damaged, its copy is sound");
    } else if (header.has(kFlagRedundantDirectory)) {
      const std::uint64_t room = limits_.metadata_bytes / 2;
      if (PLATTER_TRY(TablesOf(header.directory, header, room)) !=
          PLATTER_TRY(TablesOf(header.redundant_directory, header, room))) {
        AddDirectory("the grain directory and its copy do not lead to the same grains");
      }
    }
    return Done{};
  }

  void AddDirectory(std::string message) {
    Add("grain_directory", Concern::kAmbiguous, std::move(message) + ": programs read the one or the other", "");
  }

  // Grain tables, those in use in the order of the directory; for the others the room that a directory has for them.
  Result<std::vector<std::vector<std::uint32_t>>> TablesOf(std::uint64_t sector, const SparseHeader& header,
                                                           std::uint64_t room) {
    std::vector<std::vector<std::uint32_t>> tables;
    const auto start = CheckedMultiply(sector, kSectorSize);
    if (!start) return tables;
    const std::uint64_t table_bytes = std::uint64_t{header.table_entries} * kEntrySize;
    for (const std::uint64_t table :
         PLATTER_TRY(ReadTable(*start, std::min(header.directory_entries() * kEntrySize, room)))) {
      std::vector<std::uint32_t>& entries = tables.emplace_back();
      if (table == 0 || room < table_bytes) continue;
      room -= table_bytes;
      entries = PLATTER_TRY(ReadTable(table * kSectorSize, table_bytes));
    }
    return tables;
  }

  // Where the last grain ends, as far as the tables may be held.
  Result<> FindEnd(const SparseHeader& header) {
    const auto start = CheckedMultiply(header.directory, kSectorSize);
    if (!start) return Done{};
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
