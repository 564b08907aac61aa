#include "formats/vmdk/create_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <random>
#include <utility>

#include "formats/core/checked.h"

namespace platter::vmdk {
namespace {

constexpr std::array<std::string_view, 5> kSubformats = {"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
                                                         "twoGbMaxExtentFlat", "streamOptimized"};
constexpr std::array<std::string_view, 4> kAdapters = {"ide", "lsilogic", "buslogic", "legacyESX"};
constexpr std::string_view kToolsOfTheHost = "2147483647";
constexpr std::uint64_t kSplitSectors = std::uint64_t{4} << 20;  // 2 GiB
// A grain directory as large as a reader takes.
constexpr std::uint64_t kMaxSectors = kMaxDirectoryEntries * kGrainTableEntries * kDefaultGrainSectors;

Error Refused(std::string_view option, std::string what) {
  return Error(ErrorKind::kInvalid, std::move(what)).At("create options", std::string(option));
}

// The index of the option's value among `allowed`; 0 where it is not set.
template <std::size_t kCount>
Result<std::size_t> ParseChoice(const OptionValues& values, std::string_view option,
                                const std::array<std::string_view, kCount>& allowed) {
  const auto value = values.Text(option);
  if (!value) return std::size_t{0};
  const auto choice = std::ranges::find(allowed, *value);
  if (choice != allowed.end()) return static_cast<std::size_t>(choice - allowed.begin());
  return Refused(option, fmt::format("invalid parameter value: {}", *value))
      .Allowed(fmt::format("{}", fmt::join(allowed, ", ")));
}

std::optional<std::uint32_t> ParseCid(std::string_view text) {
  std::uint32_t cid = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), cid, 16);
  if (text.size() != 8 || failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return cid;
}

// VMware takes both for "no such disk".
bool Reserved(std::uint32_t cid) { return cid >= 0xFFFFFFFE; }

Result<std::uint32_t> ChooseCid(const OptionValues& values) {
  const auto text = values.Text(kCidOption);
  if (!text) return RandomCid();
  const auto cid = ParseCid(*text);
  if (cid && !Reserved(*cid)) return *cid;
  return Refused(kCidOption, "no content identifier").Found(*text).Allowed("8 hexadecimal digits below fffffffe");
}

// What would not come back out of the text of a descriptor.
Result<> CheckWord(std::string_view option, std::string_view word) {
  const bool bad = std::ranges::any_of(
      word, [](char letter) { return std::string_view("\n\r\"\0", 4).find(letter) != std::string_view::npos; });
  if (!bad) return Done{};
  return Refused(option, "a descriptor cannot hold line ends and quotation marks").Found(std::string(word));
}

Result<> ParseBacking(const CreateRequest& request, CreateOptions& options) {
  const auto name = request.options.Text("backing_file");
  if (!name) {
    if (!request.options.Has("backing_fmt")) return Done{};
    return Refused("backing_fmt", "Backing format cannot be used without backing file");
  }
  if (options.flat()) return Refused("backing_file", "Flat image can't have backing file");
  PLATTER_CHECK(CheckWord("backing_file", *name));
  const auto cid = ParseCid(request.backing_id);
  if (request.options.Text("backing_fmt").value_or("vmdk") != "vmdk" || !cid) {
    return Refused("backing_file", "backing_file must be a vmdk image");
  }
  options.has_backing = true;
  options.descriptor.parent_cid = *cid;
  options.descriptor.parent_hint = *name;
  return Done{};
}

// Empty where it is not set: its default has a name.
std::optional<std::string> HardwareOf(const OptionValues& values) {
  auto version = values.Text("hwversion");
  if (version == "undefined") version.reset();
  return version;
}

void DescribeGeometry(const std::string& adapter, CreateOptions& options) {
  const std::uint64_t heads = adapter == "ide" ? 16 : 255;
  constexpr std::uint64_t kTrackSectors = 63;
  auto& ddb = options.descriptor.ddb;
  ddb.emplace_back("ddb.geometry.cylinders", std::to_string(options.sectors / (heads * kTrackSectors)));
  ddb.emplace_back("ddb.geometry.heads", std::to_string(heads));
  ddb.emplace_back("ddb.geometry.sectors", std::to_string(kTrackSectors));
  ddb.emplace_back("ddb.adapterType", adapter);
}

Result<> DescribeDisk(const OptionValues& values, const std::string& adapter, CreateOptions& options) {
  const std::string hardware = HardwareOf(values).value_or(values.Flag("compat6", false) ? "6" : "4");
  const std::string tools = values.Text("toolsversion").value_or(std::string(kToolsOfTheHost));
  PLATTER_CHECK(CheckWord("hwversion", hardware));
  PLATTER_CHECK(CheckWord("toolsversion", tools));
  options.descriptor.ddb.emplace_back("ddb.virtualHWVersion", hardware);
  DescribeGeometry(adapter, options);
  options.descriptor.ddb.emplace_back("ddb.toolsVersion", tools);
  return Done{};
}

Result<std::uint64_t> CountSectors(const CreateRequest& request) {
  const auto size = CheckedAlignUp(request.virtual_size, kSectorSize);
  if (size && *size / kSectorSize <= kMaxSectors) return *size / kSectorSize;
  return Refused("size", "The image size is too large for file format 'vmdk'")
      .Found(request.virtual_size)
      .Allowed(fmt::format("up to {} bytes", kMaxSectors * kSectorSize));
}

// "disk" and ".vmdk" of "folder/disk.vmdk".
std::pair<std::string_view, std::string_view> SplitName(std::string_view image) {
  const std::string_view base = image.substr(image.rfind('/') + 1);
  const std::size_t dot = std::min(base.rfind('.'), base.size());
  return {base.substr(0, dot), base.substr(dot)};
}

}  // namespace

Result<CreateOptions> ParseCreateOptions(const CreateRequest& request) {
  const OptionValues& values = request.options;
  CreateOptions options;
  const std::size_t adapter = PLATTER_TRY(ParseChoice(values, "adapter_type", kAdapters));
  const std::size_t subformat = PLATTER_TRY(ParseChoice(values, "subformat", kSubformats));
  options.subformat = static_cast<Subformat>(subformat);
  options.descriptor.create_type = kSubformats.at(subformat);
  if (values.Flag("compat6", false) && HardwareOf(values)) {
    return Refused("compat6", "compat6 cannot be enabled with hwversion set");
  }
  options.sectors = PLATTER_TRY(CountSectors(request));
  PLATTER_CHECK(ParseBacking(request, options));
  options.zeroed_grain = values.Flag("zeroed_grain", false);
  if (options.flat() && options.zeroed_grain) return Refused("zeroed_grain", "Flat image can't enable zeroed grain");
  PLATTER_CHECK(DescribeDisk(values, std::string(kAdapters.at(adapter)), options));
  options.descriptor.cid = PLATTER_TRY(ChooseCid(values));
  options.descriptor.extents = ExtentLines(options, request.storage->name());
  for (const ExtentLine& extent : options.descriptor.extents) PLATTER_CHECK(CheckWord("file name", extent.file));
  return options;
}

bool IsStreamOptimized(const OptionValues& options) noexcept { return options.Text("subformat") == "streamOptimized"; }

std::uint32_t RandomCid() {
  std::random_device random;
  std::uint32_t cid = 0;
  do {
    cid = random();
  } while (cid == 0 || Reserved(cid));
  return cid;
}

std::vector<ExtentLine> ExtentLines(const CreateOptions& options, std::string_view image) {
  const auto [stem, ending] = SplitName(image);
  const ExtentType type = options.flat() ? ExtentType::kFlat : ExtentType::kSparse;
  const std::optional<std::uint64_t> offset = options.flat() ? std::optional<std::uint64_t>(0) : std::nullopt;
  const auto line = [&](std::uint64_t sectors, std::string file) {
    return ExtentLine{.sectors = sectors, .type = type, .file = std::move(file), .offset = offset};
  };
  std::vector<ExtentLine> lines;
  if (!options.split()) {
    if (!options.flat()) lines.push_back(line(options.sectors, fmt::format("{}{}", stem, ending)));
    if (options.flat() && options.sectors != 0)
      lines.push_back(line(options.sectors, fmt::format("{}-flat{}", stem, ending)));
    return lines;
  }
  const char letter = options.flat() ? 'f' : 's';
  for (std::uint64_t done = 0; done < options.sectors;) {
    const std::uint64_t sectors = std::min(kSplitSectors, options.sectors - done);
    lines.push_back(line(sectors, fmt::format("{}-{}{:03}{}", stem, letter, lines.size() + 1, ending)));
    done += sectors;
  }
  return lines;
}

}  // namespace platter::vmdk
