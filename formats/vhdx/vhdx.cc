#include "formats/vhdx/vhdx.h"

#include <array>
#include <cstring>

#include "formats/vhdx/check.h"
#include "formats/vhdx/create_options.h"
#include "formats/vhdx/inspect.h"
#include "formats/vhdx/layout.h"
#include "formats/vhdx/measure.h"
#include "formats/vhdx/updater.h"
#include "formats/vhdx/writer.h"

namespace platter::vhdx {
namespace {

constexpr std::array<std::string_view, 1> kExtensions = {"vhdx"};

Likeness Probe(const ProbeInput& input) noexcept {
  if (input.head.size() < kFileSignature.size()) return Likeness::kNo;
  const bool same = std::memcmp(input.head.data(), kFileSignature.data(), kFileSignature.size()) == 0;
  return same ? Likeness::kCertain : Likeness::kNo;
}

constexpr std::array kFindingRules = {
    FindingRule{"log", "", "log", Concern::kCorrupt},
};

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "vhdx",
    .qemu_name = "vhdx",
    .title = "Hyper-V virtual hard disk, version 2",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .can_have_backing = true,
    .update = Update,
    .measure = Measure,
    .map_beyond_qemu = true,
    .check = Check,
    .inspect = Inspect,
    .finding_rules = kFindingRules,
    .measure_beyond_qemu = true,
};

}  // namespace platter::vhdx
