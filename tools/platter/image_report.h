// The description of one image, as `info` prints it.
#pragma once

#include <string>

#include "formats/core/detail.h"
#include "formats/open.h"
#include "tools/platter/persona.h"

namespace platter::cli {

struct ReportedLayer {
  const OpenedLayer& layer;
  std::string name;        // what the file is called in the report
  bool bare_file = false;  // opened without a format on top
  Detail content = {};     // what the guest disk holds (formats/content.h); empty: say nothing about it
};

// The members of qemu-img's JSON.
Detail ReportAsDetail(const Persona& persona, const ReportedLayer& reported);
// qemu-img's lines for people.
std::string ReportAsText(const Persona& persona, const ReportedLayer& reported);

// A table of internal snapshots, with a heading and dates in local time.
std::string SnapshotTable(const std::vector<SnapshotInfo>& snapshots);

}  // namespace platter::cli
