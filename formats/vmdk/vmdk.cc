#include "formats/vmdk/vmdk.h"

#include <array>

#include "formats/vmdk/check.h"
#include "formats/vmdk/create_options.h"
#include "formats/vmdk/inspect.h"
#include "formats/vmdk/probe.h"
#include "formats/vmdk/reader.h"
#include "formats/vmdk/updater.h"
#include "formats/vmdk/writer.h"

namespace platter::vmdk {
namespace {

constexpr std::array<std::string_view, 1> kExtensions = {"vmdk"};

constexpr std::array kFindingRules = {
    FindingRule{"VMDK stream footer", "", "stream_footer", Concern::kCorrupt},
    FindingRule{"VMDK descriptor", "extent description", "extent_description", Concern::kCorrupt, "CVE-2022-47951"},
    FindingRule{"VMDK descriptor", "createType", "create_type", Concern::kUnsupported, "CVE-2022-47951"},
};

}  // namespace

const FormatDriver kDriver = {
    .name = "vmdk",
    .qemu_name = "vmdk",
    .title = "VMware virtual disk",
    .extensions = kExtensions,
    .probe = Probe,
    .qemu_probe = ProbeAsQemu,
    .open = Open,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .can_compress = true,
    .can_have_backing = true,
    .can_stream = IsStreamOptimized,
    .always_compresses = IsStreamOptimized,
    .update = Update,
    .check = Check,
    .can_repair = false,
    .inspect = Inspect,
    .finding_rules = kFindingRules,
};

}  // namespace platter::vmdk
