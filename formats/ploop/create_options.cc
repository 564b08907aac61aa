#include "formats/ploop/create_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "formats/core/checked.h"

namespace platter::ploop {
namespace {

constexpr std::uint32_t kHeads = 16;
constexpr std::uint32_t kSectorsPerTrack = 32;

Result<> ParseClusterSize(const OptionValues& values, Header& header) {
  const std::uint64_t size = values.Size("cluster_size", kDefaultClusterSize);
  if (size > kMaxTracks * kSectorSize) {
    return RefusedOption("cluster_size", "Cluster size is too large")
        .Found(size)
        .Allowed(fmt::format("up to {}", kMaxTracks * kSectorSize));
  }
  header.cluster_size = AlignUp(size, kSectorSize);
  return Done{};
}

Result<> SizeTable(std::uint64_t virtual_size, Header& header) {
  const auto whole_sectors = CheckedAlignUp(virtual_size, kSectorSize);
  const std::uint64_t largest = kMaxEntries * header.cluster_size;
  if (!whole_sectors || *whole_sectors > largest || header.cluster_size == 0) {
    return RefusedOption("size", "Image size is too large for this cluster size")
        .Found(virtual_size)
        .Allowed(fmt::format("up to {} bytes", largest));
  }
  header.virtual_size = *whole_sectors;
  header.entries = static_cast<std::uint32_t>(DivideRoundingUp(*whole_sectors, header.cluster_size));
  const std::uint64_t bat_end = header.EntryOffset(header.entries);
  header.data_offset = DivideRoundingUp(bat_end, header.cluster_size) * header.cluster_size;
  header.heads = kHeads;
  header.cylinders = static_cast<std::uint32_t>(
      DivideRoundingUp(*whole_sectors / kSectorSize, std::uint64_t{kHeads * kSectorsPerTrack}));
  return Done{};
}

}  // namespace

Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size) {
  CreateOptions options;
  options.preallocation = PLATTER_TRY(ParsePreallocation(values));
  PLATTER_CHECK(ParseClusterSize(values, options.header));
  PLATTER_CHECK(SizeTable(virtual_size, options.header));
  return options;
}

}  // namespace platter::ploop
