#include "formats/vdi/create_options.h"

#include <fmt/format.h>

#include <bit>
#include <string>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vdi {
namespace {

constexpr std::uint64_t kDataAlignment = 4096;
constexpr const char* kImageText = "<<< Platter Disk Image >>>\n";

Result<> ParseBlockSize(const OptionValues& values, Header& header) {
  const std::uint64_t size = values.Size("block_size", kDefaultBlockSize);
  if (!std::has_single_bit(size) || size < kMinBlockSize || size > kMaxBlockSize) {
    return RefusedOption("block_size", "impossible block size")
        .Found(size)
        .Allowed(fmt::format("a power of two from {} to {}", kMinBlockSize, kMaxBlockSize));
  }
  header.block_size = static_cast<std::uint32_t>(size);
  return Done{};
}

Result<> ParseUuids(const OptionValues& values, Header& header) {
  if (const auto text = values.Text("uuid")) {
    const auto uuid = ParseUuid(*text);
    if (!uuid || IsNull(*uuid)) {
      return RefusedOption("uuid", "not a UUID")
          .Found(*text)
          .Allowed("32 hexadecimal digits in the usual groups, not all 0");
    }
    header.creation_uuid = header.modification_uuid = *uuid;
    return Done{};
  }
  header.creation_uuid = PLATTER_TRY(RandomUuid());
  header.modification_uuid = PLATTER_TRY(RandomUuid());
  return Done{};
}

Result<> SizeMap(std::uint64_t virtual_size, Header& header) {
  const std::uint64_t largest = std::uint64_t{kMaxBlocks} * header.block_size;
  const auto whole_sectors = CheckedAlignUp<std::uint64_t>(virtual_size, kSectorSize);
  if (!whole_sectors || *whole_sectors > largest) {
    return Error(
               ErrorKind::kUnsupported,
               fmt::format("Unsupported VDI image size (size is {:#x}, max supported is {:#x})", virtual_size, largest))
        .At("create options", "size");
  }
  header.virtual_size = *whole_sectors;
  header.blocks = static_cast<std::uint32_t>(DivideRoundingUp<std::uint64_t>(*whole_sectors, header.block_size));
  header.map_offset = kSectorSize;
  // As the pages of the host, for the sake of holes and speed.
  header.data_offset = AlignUp<std::uint64_t>(header.map_offset + header.map_bytes(), kDataAlignment);
  return Done{};
}

}  // namespace

Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size) {
  CreateOptions options;
  Header& header = options.header;
  header.text = kImageText;
  if (values.Flag("static", false)) header.type = ImageType::kStatic;
  options.preallocation = PLATTER_TRY(ParsePreallocation(values));
  PLATTER_CHECK(ParseBlockSize(values, header));
  PLATTER_CHECK(ParseUuids(values, header));
  PLATTER_CHECK(SizeMap(virtual_size, header));
  if (options.places_all()) header.allocated_blocks = header.blocks;
  return options;
}

}  // namespace platter::vdi
