// ISO 9660 with its extensions (Joliet, Rock Ridge, El Torito, ISO 9660:1999) and UDF. The guest disk is the file's own
// bytes; what the format adds is the description of the volume and its files.
#pragma once

#include <memory>

#include "formats/core/driver.h"

namespace platter::iso {

// Open option "tree": whose names file_tree() shows: "auto", "rock-ridge", "joliet", "iso9660", "udf". kInvalid for one
// that the volume does not have.
Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::iso
