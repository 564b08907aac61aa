#include "formats/qcow2/qcow2.h"

#include <array>

#include "formats/qcow2/check.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/inspect.h"
#include "formats/qcow2/measure.h"
#include "formats/qcow2/reader.h"
#include "formats/qcow2/updater.h"
#include "formats/qcow2/writer.h"

namespace platter::qcow2 {
namespace {

constexpr std::array<std::string_view, 2> kExtensions = {"qcow2", "qcow"};

constexpr std::array kOpenOptions = {
    OptionSpec{kDataFileOption, OptionType::kText, "file with the guest's data, in place of the one the image names"},
};

Likeness Probe(const ProbeInput& input) noexcept {
  if (input.head.size() < 8 || LoadBe<std::uint32_t>(input.head.data()) != kMagic) return Likeness::kNo;
  return LoadBe<std::uint32_t>(input.head.data() + HeaderV2::kVersion.offset) >= 2 ? Likeness::kCertain : Likeness::kNo;
}

constexpr std::string_view kHeaderName = "qcow2 header";
constexpr std::array kFindingRules = {
    FindingRule{kHeaderName, "incompatible_features", "unknown_features", Concern::kUnsupported},
    FindingRule{kHeaderName, "L1 table", "l1_table", Concern::kCorrupt, "CVE-2014-0144"},
    FindingRule{kHeaderName, "l1_size", "l1_table", Concern::kCorrupt, "CVE-2014-0143"},
    FindingRule{kHeaderName, "refcount", "refcount_table", Concern::kCorrupt, "CVE-2014-0144"},
    FindingRule{kHeaderName, "snapshot table", "snapshot_table", Concern::kCorrupt, "CVE-2014-0145"},
    FindingRule{kHeaderName, "nb_snapshots", "snapshot_table", Concern::kCorrupt, "CVE-2014-0144"},
    FindingRule{kHeaderName, "encryption header", "encrypted", Concern::kCorrupt},
};

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "qcow2",
    .qemu_name = "qcow2",
    .title = "QEMU copy-on-write, version 2 and 3",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
    .open_options = kOpenOptions,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .can_compress = true,
    .can_have_backing = true,
    .takes_bitmaps = TakesBitmaps,
    .update = Update,
    .measure = Measure,
    .check = Check,
    .inspect = Inspect,
    .finding_rules = kFindingRules,
};

}  // namespace platter::qcow2
