#include "formats/vdi/vdi.h"

#include <array>

#include "formats/vdi/check.h"
#include "formats/vdi/create_options.h"
#include "formats/vdi/inspect.h"
#include "formats/vdi/layout.h"
#include "formats/vdi/measure.h"
#include "formats/vdi/updater.h"
#include "formats/vdi/writer.h"

namespace platter::vdi {
namespace {

constexpr std::array<std::string_view, 1> kExtensions = {"vdi"};

Likeness Probe(const ProbeInput& input) noexcept {
  if (input.head.size() < PreHeader::kSize) return Likeness::kNo;
  const RecordView<PreHeader> view(input.head.first<PreHeader::kSize>());
  return view.Get<PreHeader::kSignature>() == kSignature ? Likeness::kCertain : Likeness::kNo;
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "vdi",
    .qemu_name = "vdi",
    .title = "VirtualBox disk image",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .can_have_backing = true,
    .update = Update,
    .measure = Measure,
    .check = Check,
    .can_repair = false,
    .inspect = Inspect,
    .measure_beyond_qemu = true,
};

}  // namespace platter::vdi
