#include "formats/vhdx/create_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vhdx {
namespace {

constexpr std::uint64_t kDefaultLogSize = kMiB;
constexpr std::uint64_t kLogSizeEnd = std::uint64_t{4} << 30;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

// As qemu chooses.
std::uint64_t DefaultBlockSize(std::uint64_t virtual_size) noexcept {
  if (virtual_size > 32 * kTiB) return 64 * kMiB;
  if (virtual_size > 100 * kGiB) return 32 * kMiB;
  return virtual_size > kGiB ? 16 * kMiB : 8 * kMiB;
}

Result<> ParseLogSize(const OptionValues& values, CreateOptions& options) {
  const std::uint64_t wanted = values.Size("log_size", kDefaultLogSize);
  if (wanted == 0) return RefusedOption("log_size", "Log size must be a multiple of 1 MB");
  if (wanted > kLogSizeEnd - kMiB) return RefusedOption("log_size", "Log size must be smaller than 4 GB").Found(wanted);
  options.log_size = AlignUp(wanted, kMiB);
  return Done{};
}

Result<> ParseSubformat(const OptionValues& values, CreateOptions& options) {
  const std::string subformat = values.Text("subformat").value_or("dynamic");
  options.metadata.geometry.fixed = subformat == "fixed";
  options.zero_state = values.Flag("block_state_zero", true);
  if (subformat == "fixed" || subformat == "dynamic") return Done{};
  return RefusedOption("subformat", fmt::format("Parameter 'subformat' does not accept value '{}'", subformat))
      .Allowed("dynamic, fixed");
}

Result<> ParseGeometry(const OptionValues& values, std::uint64_t virtual_size, CreateOptions& options) {
  Geometry& geometry = options.metadata.geometry;
  geometry.logical_sector = values.Size("logical_sector_size", 512);
  if (geometry.logical_sector != 512 && geometry.logical_sector != 4096) {
    return RefusedOption("logical_sector_size", "Logical sector size must be 512 or 4096")
        .Found(geometry.logical_sector);
  }
  geometry.physical_sector = geometry.logical_sector;
  if (virtual_size > kMaxVirtualSize) {
    return RefusedOption("size", "Image size too large; max of 64TB").Found(virtual_size);
  }
  geometry.virtual_size = AlignUp(virtual_size, geometry.logical_sector);
  const std::uint64_t wanted = values.Size("block_size", 0);
  geometry.block_size = wanted == 0              ? DefaultBlockSize(geometry.virtual_size)
                        : wanted > kMaxBlockSize ? kMaxBlockSize
                                                 : AlignUp(wanted, kMiB);
  if (std::has_single_bit(geometry.block_size)) return Done{};
  return RefusedOption("block_size", "Block size must be a power of two").Found(wanted);
}

Result<> ParseParent(const OptionValues& values, const std::string& backing_id, CreateOptions& options) {
  const std::string path = values.Text("backing_file").value_or("");
  const std::string format = values.Text("backing_fmt").value_or("");
  if (path.empty()) {
    if (format.empty()) return Done{};
    return RefusedOption("backing_fmt", "Backing format cannot be used without backing file");
  }
  const auto linkage = Guid::Parse(backing_id);
  if ((!format.empty() && format != "vhdx") || !linkage) {
    return RefusedOption("backing_file", "The parent of a VHDX image must be a VHDX image that can be opened")
        .Found(format.empty() ? path : format)
        .Allowed("vhdx");
  }
  if (options.metadata.geometry.fixed) return RefusedOption("subformat", "A fixed disk has no parent");
  options.metadata.geometry.has_parent = true;
  options.metadata.parent = MakeParentLocator(path, *linkage);
  return Done{};
}

Result<> ParseId(const OptionValues& values, CreateOptions& options) {
  const auto text = values.Text("uuid");
  const auto guid = text ? Guid::Parse(*text) : Guid::Random();
  if (!guid) return RefusedOption("uuid", "Parameter 'uuid' expects a GUID").Found(*text);
  options.metadata.disk_id = *guid;
  options.reproducible = text.has_value();
  return Done{};
}

}  // namespace

Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size,
                                         const std::string& backing_id) {
  CreateOptions options;
  PLATTER_CHECK(ParseLogSize(values, options));
  PLATTER_CHECK(ParseSubformat(values, options));
  PLATTER_CHECK(ParseGeometry(values, virtual_size, options));
  PLATTER_CHECK(ParseParent(values, backing_id, options));
  PLATTER_CHECK(ParseId(values, options));
  return options;
}

}  // namespace platter::vhdx
