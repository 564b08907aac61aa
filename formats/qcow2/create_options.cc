#include "formats/qcow2/create_options.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

Error NotAccepted(std::string_view option, std::string_view parameter, const std::string& value,
                  std::string_view allowed) {
  return RefusedOption(option, fmt::format("Parameter '{}' does not accept value '{}'", parameter, value))
      .Allowed(std::string(allowed));
}

Result<> RefuseEncryption(const OptionValues& values) {
  for (const OptionSpec& spec : kCreateOptionSpecs) {
    const bool encrypts = spec.name == "encryption" ? values.Flag(spec.name, false)
                                                    : spec.name.starts_with("encrypt.") && values.Has(spec.name);
    if (!encrypts) continue;
    return Error(ErrorKind::kUnsupported, fmt::format("option '{}': encryption is not supported", spec.name));
  }
  return Done{};
}

Result<Preallocation> ParsePreallocation(const OptionValues& values) {
  const std::string mode = values.Text("preallocation").value_or("off");
  if (mode == "off") return Preallocation::kOff;
  if (mode == "metadata") return Preallocation::kMetadata;
  if (mode == "falloc") return Preallocation::kFalloc;
  if (mode == "full") return Preallocation::kFull;
  return NotAccepted("preallocation", "preallocation", mode, "off, metadata, falloc, full");
}

bool NamesVersion2(const std::string& compat) noexcept { return compat == "0.10" || compat == "v2"; }

Result<> ParseVersion(const OptionValues& values, Header& header) {
  const std::string compat = values.Text("compat").value_or("1.1");
  if (NamesVersion2(compat)) {
    header.version = 2;
    header.header_length = HeaderV2::kSize;
    header.feature_names = false;
  } else if (compat != "1.1" && compat != "v3") {
    return NotAccepted("compat", "version", compat, "0.10 (v2), 1.1 (v3)");
  }
  return Done{};
}

Result<> ParseGeometry(const OptionValues& values, Header& header) {
  const std::uint64_t cluster_size = values.Size("cluster_size", header.cluster_size());
  if (!std::has_single_bit(cluster_size) || cluster_size < std::uint64_t{1} << kMinClusterBits ||
      cluster_size > std::uint64_t{1} << kMaxClusterBits) {
    return RefusedOption("cluster_size", "Cluster size must be a power of two between 512 and 2048k")
        .Found(cluster_size);
  }
  header.cluster_bits = static_cast<std::uint32_t>(std::countr_zero(cluster_size));

  const std::uint64_t refcount_bits = values.Number("refcount_bits", header.refcount_bits());
  if (!std::has_single_bit(refcount_bits) || refcount_bits > std::uint64_t{1} << kMaxRefcountOrder) {
    return RefusedOption("refcount_bits", "Refcount width must be a power of two and may not exceed 64 bits")
        .Found(refcount_bits);
  }
  header.refcount_order = static_cast<std::uint32_t>(std::countr_zero(refcount_bits));
  if (header.version < 3 && header.refcount_order != kDefaultRefcountOrder) {
    return RefusedOption(
        "refcount_bits",
        "Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 "
        "or greater)");
  }
  return Done{};
}

Error NeedsVersion3(std::string_view option, std::string_view feature) {
  return RefusedOption(option,
                       fmt::format("{} only supported with compatibility level 1.1 and above (use version=v3 or "
                                   "greater)",
                                   feature));
}

Result<> ParseFeatures(const OptionValues& values, Header& header) {
  if (values.Flag("lazy_refcounts", false)) {
    if (header.version < 3) return NeedsVersion3("lazy_refcounts", "Lazy refcounts");
    header.compatible_features |= kCompatLazyRefcounts;
  }
  if (values.Flag("extended_l2", false)) {
    if (header.version < 3) return NeedsVersion3("extended_l2", "Extended L2 entries are");
    if (header.cluster_bits < kMinExtendedL2ClusterBits) {
      return RefusedOption("extended_l2",
                           "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes");
    }
    header.incompatible_features |= kIncompatExtendedL2;
  }
  const std::string compression = values.Text("compression_type").value_or("zlib");
  if (compression == "zstd") {
    if (header.version < 3) return NeedsVersion3("compression_type", "Non-zlib compression type is");
    header.compression = Compression::kZstd;
    header.incompatible_features |= kIncompatCompressionType;
  } else if (compression != "zlib") {
    return NotAccepted("compression_type", "compression-type", compression, "zlib, zstd");
  }
  return Done{};
}

Result<> ParseOtherFiles(const OptionValues& values, CreateOptions& options) {
  Header& header = options.header;
  header.backing_file = values.Text("backing_file").value_or("");
  header.backing_format = values.Text("backing_fmt").value_or("");
  if (header.backing_file.size() > kMaxBackingNameBytes) {
    return RefusedOption("backing_file", "Backing file name is too long")
        .Found(header.backing_file.size())
        .Allowed("up to 1023 bytes");
  }
  if (header.backing_file.empty() && !header.backing_format.empty()) {
    return RefusedOption("backing_fmt", "Backing format cannot be used without backing file");
  }
  if (header.backing_format.size() > kMaxBackingFormatBytes) {
    return RefusedOption("backing_fmt", "Backing format name is too long").Found(header.backing_format);
  }
  const bool raw = values.Flag("data_file_raw", false);
  if (raw && !values.Has("data_file")) return RefusedOption("data_file_raw", "data-file-raw requires data-file");
  if (raw && !header.backing_file.empty()) {
    return RefusedOption("data_file_raw", "Backing file and data-file-raw cannot be used at the same time");
  }
  if (values.Has("data_file")) {
    if (header.version < 3) return NeedsVersion3("data_file", "External data files are");
    header.data_file = values.Text("data_file");
    header.incompatible_features |= kIncompatDataFile;
    if (raw) header.autoclear_features |= kAutoclearRawDataFile;
  }
  return Done{};
}

Result<> ParseAllocation(const OptionValues& values, CreateOptions& options) {
  options.preallocation = PLATTER_TRY(ParsePreallocation(values));
  const Header& header = options.header;
  if (options.preallocates() && !header.backing_file.empty() && !header.extended_l2()) {
    return RefusedOption("preallocation",
                         "Backing file and preallocation can only be used at the same time if extended_l2 is on");
  }
  // What is not in the tables would be unknown to who reads the raw data file.
  if (header.data_file_raw() && !options.preallocates()) options.preallocation = Preallocation::kMetadata;
  return Done{};
}

Result<> SizeTables(std::uint64_t virtual_size, Header& header) {
  const auto whole_sectors = CheckedAlignUp(virtual_size, kSectorSize);
  const std::uint64_t l1_entries = whole_sectors ? header.l1_entries_for(*whole_sectors) : kMaxL1Bytes;
  if (l1_entries > kMaxL1Bytes / kL1EntrySize) {
    return RefusedOption("size",
                         "The image size is too large for file format 'qcow2' (try using a larger cluster size)")
        .Found(virtual_size)
        .Allowed(fmt::format("up to {} bytes", kMaxL1Bytes / kL1EntrySize * header.l2_coverage()));
  }
  header.virtual_size = *whole_sectors;
  header.l1_size = static_cast<std::uint32_t>(l1_entries);
  return Done{};
}

}  // namespace

bool TakesBitmaps(const OptionValues& values) noexcept { return !NamesVersion2(values.Text("compat").value_or("")); }

Result<std::vector<std::byte>> SerializeFitting(Header& header) {
  auto whole = SerializeHeader(header);
  if (whole.ok() || !header.feature_names) return whole;
  header.feature_names = false;
  return SerializeHeader(header);
}

Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size) {
  CreateOptions options;
  PLATTER_CHECK(RefuseEncryption(values));
  PLATTER_CHECK(ParseVersion(values, options.header));
  PLATTER_CHECK(ParseGeometry(values, options.header));
  PLATTER_CHECK(ParseFeatures(values, options.header));
  PLATTER_CHECK(ParseOtherFiles(values, options));
  PLATTER_CHECK(ParseAllocation(values, options));
  PLATTER_CHECK(SizeTables(virtual_size, options.header));
  PLATTER_CHECK(SerializeFitting(options.header));
  return options;
}

}  // namespace platter::qcow2
