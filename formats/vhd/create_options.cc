#include "formats/vhd/create_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhd/identity.h"
#include "formats/vhd/text.h"

namespace platter::vhd {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kHeaderOffset = FooterLayout::kSize;
constexpr std::uint64_t kLocatorOffset = kHeaderOffset + SparseLayout::kSize;

enum class Subformat : std::uint8_t { kDynamic, kFixed, kDifferencing };

Result<Subformat> ParseSubformat(const OptionValues& values) {
  const bool azure = values.Flag("azure", false);
  const bool parent = values.Has("backing_file");
  const std::string text = values.Text("subformat").value_or(azure ? "fixed" : parent ? "differencing" : "dynamic");
  if (text != "dynamic" && text != "fixed" && text != "differencing") {
    return RefusedOption("subformat", fmt::format("Parameter 'subformat' does not accept value '{}'", text))
        .Allowed("dynamic, fixed, differencing");
  }
  if (azure && text != "fixed") return RefusedOption("azure", "only fixed disks are made for Azure").Found(text);
  if (parent != (text == "differencing")) {
    return RefusedOption("subformat", parent ? "only a differencing disk has a backing file"
                                             : "a differencing disk needs a backing file")
        .Found(text);
  }
  if (text == "fixed") return Subformat::kFixed;
  return parent ? Subformat::kDifferencing : Subformat::kDynamic;
}

// Sizes and who says so: readers take the geometry for the size unless the creator or the geometry tells them not to.
Result<> SettleSize(Footer& footer, const OptionValues& values, std::uint64_t virtual_size) {
  const bool azure = values.Flag("azure", false);
  const auto exact = CheckedAlignUp(virtual_size, azure ? kMebibyte : kSectorSize);
  if (!exact || *exact > kMaxVirtualSize) {
    return Error(ErrorKind::kOutOfRange, "Disk size is too large, max size is 2040 GiB")
        .At("create options", "size")
        .Found(virtual_size);
  }
  const Geometry geometry = GeometryHolding(*exact / kSectorSize);
  const std::uint64_t rounded = geometry == kLargestGeometry ? *exact : geometry.sectors() * kSectorSize;
  // A differencing disk is as large as its parent.
  const bool forced = values.Flag("force_size", false) || azure || (footer.differencing() && rounded != *exact);
  footer.creator = forced ? kCreatorQemuForced : kCreatorQemu;
  footer.geometry = forced ? kLargestGeometry : geometry;
  footer.current_size = forced ? *exact : rounded;
  footer.original_size = footer.current_size;
  return Done{};
}

// "dir\base.vhd" of "dir/base.vhd".
std::string WindowsPath(std::string_view path) {
  std::string converted(path.starts_with('/') ? "" : ".\\");
  converted += path;
  std::ranges::replace(converted, '/', '\\');
  return converted;
}

// Adds a locator whose text stands in sectors of its own. Its space is given in bytes, as most writers do.
void AddLocator(CreateOptions& options, std::size_t index, std::uint32_t platform, std::span<const std::byte> text) {
  const std::uint64_t space = AlignUp<std::uint64_t>(text.size(), kSectorSize);
  options.sparse->locators[index] = {platform, static_cast<std::uint32_t>(space),
                                     static_cast<std::uint32_t>(text.size()), kLocatorOffset + options.locators.size()};
  options.locators.insert(options.locators.end(), text.begin(), text.end());
  options.locators.resize(AlignUp<std::uint64_t>(options.locators.size(), kSectorSize));
}

Result<> SettleParent(CreateOptions& options, const OptionValues& values, std::string_view parent_id) {
  const std::string format = values.Text("backing_fmt").value_or("vpc");
  if (format != "vpc" && format != "vhd") {
    return RefusedOption("backing_fmt", "the parent of a differencing VHD is a VHD").Found(format).Allowed("vpc, vhd");
  }
  const auto id = ParseId(parent_id);
  if (!id) {
    return RefusedOption("backing_file",
                         "the parent's unique id is not known: the backing file has to be a VHD with one");
  }
  constexpr std::size_t kLongestName = 4096;
  const std::string parent = *values.Text("backing_file");
  if (parent.size() > kLongestName) return RefusedOption("backing_file", "the name is too long").Found(parent.size());
  options.sparse->parent_id = *id;
  options.sparse->parent_name = parent.substr(parent.rfind('/') + 1);
  const bool absolute = parent.starts_with('/');
  AddLocator(options, 0, absolute ? kPlatformW2ku : kPlatformW2ru,
             Utf16FromUtf8<std::endian::little>(WindowsPath(parent)));
  const std::string url = UrlFromPath(parent);
  AddLocator(options, 1, kPlatformMacX, std::as_bytes(std::span(url)));
  return Done{};
}

Result<> SettleSparse(CreateOptions& options, const OptionValues& values, std::string_view parent_id) {
  options.footer.data_offset = kHeaderOffset;
  SparseHeader& header = options.sparse.emplace();
  header.block_size = kDefaultBlockSize;
  header.table_entries =
      static_cast<std::uint32_t>(DivideRoundingUp(options.virtual_size(), std::uint64_t{kDefaultBlockSize}));
  if (options.footer.differencing()) PLATTER_CHECK(SettleParent(options, values, parent_id));
  header.table_offset = kLocatorOffset + options.locators.size();
  return Done{};
}

}  // namespace

Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size,
                                         std::string_view parent_id, std::string_view path) {
  CreateOptions options;
  Footer& footer = options.footer;
  const Subformat subformat = PLATTER_TRY(ParseSubformat(values));
  footer.disk_type = subformat == Subformat::kFixed          ? kTypeFixed
                     : subformat == Subformat::kDifferencing ? kTypeDifferencing
                                                             : kTypeDynamic;
  footer.creator_version = kCreatorVersion;
  footer.creator_host = kHostWindows;
  PLATTER_CHECK(SettleSize(footer, values, virtual_size));
  footer.time_stamp = CreationTimeStamp();
  footer.id = NewId(fmt::format("{} {}", path.substr(path.rfind('/') + 1), footer.current_size));
  if (const auto text = values.Text("uuid")) {
    const auto id = ParseId(*text);
    if (!id)
      return RefusedOption("uuid", "not a UUID").Found(*text).Allowed("like 00112233-4455-6677-8899-aabbccddeeff");
    footer.id = *id;
  }
  if (subformat != Subformat::kFixed) PLATTER_CHECK(SettleSparse(options, values, parent_id));
  return options;
}

}  // namespace platter::vhd
