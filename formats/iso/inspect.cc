#include "formats/iso/inspect.h"

#include "formats/iso/raw_sectors.h"
#include "formats/iso/volume.h"

namespace platter::iso {
namespace {

std::string_view VariantOf(const Volume& volume) noexcept {
  if (!volume.udf) return "ISO 9660";
  return volume.descriptors.empty() ? "UDF" : "ISO 9660 and UDF";
}

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
  const std::shared_ptr<Storage> data = PLATTER_TRY(UserData(storage));
  const Volume volume = PLATTER_TRY(ReadVolume(data));
  inspection.variant = VariantOf(volume);
  if (PLATTER_TRY(HoldsTwoVolumes(storage))) {
    inspection.findings.push_back(
        {.code = "iso.two_volumes",
         .severity = SeverityOf(Concern::kAmbiguous),
         .concern = Concern::kAmbiguous,
         .message = "the file holds a volume as it stands, and another one in the raw sectors of a CD"});
  }
  if (data == storage) inspection.expected_length = volume.claimed_size;
  for (const std::string& line : volume.findings.list()) {
    inspection.findings.push_back(
        {.code = "iso.volume", .severity = Severity::kWarning, .concern = Concern::kNone, .message = line});
  }
  return Done{};
}

}  // namespace platter::iso
