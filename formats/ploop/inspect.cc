#include "formats/ploop/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/ploop/bundle.h"
#include "formats/ploop/header.h"
#include "formats/ploop/ploop.h"

namespace platter::ploop {
namespace {

void AddReferences(const Descriptor& descriptor, Inspection& inspection) {
  const auto add = [&](std::string code, std::string message, std::string value) {
    inspection.findings.push_back({.code = std::move(code),
                                   .severity = SeverityOf(Concern::kReference),
                                   .concern = Concern::kReference,
                                   .value = std::move(value),
                                   .message = std::move(message)});
  };
  constexpr std::size_t kShown = 16;
  for (const StoragePart& part : descriptor.parts) {
    for (const ImageEntry& image : part.images) {
      if (inspection.findings.size() < kShown)
        add("ploop.image_file", "the disk's bytes are in another file", image.file);
    }
  }
  if (descriptor.shots.size() > 1) {
    add("ploop.snapshots", "the disk is a chain of snapshots in files of their own",
        std::to_string(descriptor.shots.size()));
  }
}

// Where the last cluster ends that the table names, as far as the table may be held.
Result<std::uint64_t> EndOfClusters(Storage& storage, const Header& header, const Limits& limits) {
  std::vector<std::byte> table(
      std::min<std::uint64_t>(std::uint64_t{header.entries} * kEntrySize, limits.metadata_bytes));
  PLATTER_CHECK(storage.ReadPadded(HeaderLayout::kSize, table));
  std::uint64_t end = header.data_offset;
  for (std::size_t at = 0; at < table.size(); at += kEntrySize) {
    const auto entry = LoadLe<std::uint32_t>(table.data() + at);
    if (entry != 0) end = std::max(end, header.HostOffset(entry) + header.cluster_size);
  }
  return end;
}

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection) {
  if (PLATTER_TRY(IsBundle(*storage))) {
    inspection.variant = "bundle";
    AddReferences(PLATTER_TRY(ReadDescriptor(*storage, limits)), inspection);
    return Done{};
  }
  const Header header = PLATTER_TRY(ReadHeader(*storage));
  inspection.variant = fmt::format("version {}", header.version);
  if (header.open()) {
    inspection.findings.push_back({.code = "ploop.in_use",
                                   .severity = SeverityOf(Concern::kCorrupt),
                                   .concern = Concern::kCorrupt,
                                   .offset = HeaderLayout::kInUse.offset,
                                   .message = "the image was not closed correctly: its table may not be what it was"});
  }
  inspection.expected_length = PLATTER_TRY(EndOfClusters(*storage, header, limits));
  return Done{};
}

}  // namespace platter::ploop
