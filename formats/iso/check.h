// Whether a volume's structures agree with each other and with the file.
#pragma once

#include "formats/core/driver.h"

namespace platter::iso {

// Every finding counts as a corruption: numbers whose two byte orders disagree, directories and files outside the
// volume or the file, extents that overlap, directories that lie about themselves, path tables that differ from the
// directories or from each other, Rock Ridge and El Torito entries that do not fit, UDF structures that cannot be read.
// Nothing is repaired. kIo, kNotThisFormat, kUnsupported, kLimit.
Result<CheckReport> Check(const CheckRequest& request);

}  // namespace platter::iso
