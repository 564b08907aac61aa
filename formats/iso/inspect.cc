#include "formats/iso/inspect.h"

#include <string>
#include <utility>

#include "formats/iso/raw_sectors.h"
#include "formats/iso/two_trees.h"
#include "formats/iso/volume.h"

namespace platter::iso {
namespace {

std::string_view VariantOf(const Volume& volume) noexcept {
  if (!volume.udf) return "ISO 9660";
  return volume.descriptors.empty() ? "UDF" : "ISO 9660 and UDF";
}

void Add(Inspection& inspection, std::string_view code, Concern concern, std::string message, std::string value = "") {
  inspection.findings.push_back({.code = std::string(code),
                                 .severity = SeverityOf(concern),
                                 .concern = concern,
                                 .value = std::move(value),
                                 .message = std::move(message)});
}

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection) {
  const std::shared_ptr<Storage> data = PLATTER_TRY(UserData(storage));
  const Volume volume = PLATTER_TRY(ReadVolume(data));
  inspection.variant = VariantOf(volume);
  if (PLATTER_TRY(HoldsTwoVolumes(storage))) {
    Add(inspection, "iso.two_volumes", Concern::kAmbiguous,
        "the file holds a volume as it stands, and another one in the raw sectors of a CD");
  }
  if (data != storage) {
    Add(inspection, "iso.raw_sectors", Concern::kAmbiguous,
        "the volume lies in the raw sectors of a CD, of which most programs know nothing: to them the bytes are a "
        "disk");
  }
  if (volume.high_sierra) {
    Add(inspection, "content.ambiguous", Concern::kAmbiguous,
        "a High Sierra descriptor stands among those of the volume: programs follow the one or the other",
        "iso, High Sierra");
  }
  if (data == storage) inspection.expected_length = volume.claimed_size;
  for (const std::string& line : volume.findings.list()) Add(inspection, "iso.volume", Concern::kCorrupt, line);
  if (!inspection.whole) return Done{};
  if (auto path = PLATTER_TRY(FindPathOfTwoContents(data, volume, limits))) {
    Add(inspection, "iso.two_trees", Concern::kAmbiguous,
        "a file has other content by its Joliet or enhanced name than by its plain one", std::move(*path));
  }
  return Done{};
}

}  // namespace platter::iso
