// A member's headers, with all that is said of it: ustar where that can say it, pax records in front of it where not.
#pragma once

#include <string>

#include "formats/containers/tar/scanner.h"

namespace platter::tar {

// The bytes in front of the member's content; a multiple of kBlock, and the same for the same member. A folder's name
// should end in a slash. Types: file, folder, links, device, pipe; offsets mean nothing. No
// extended attribute has a '=' in its name: pax ends names there.
std::string MakeHeaders(const FullMember& full);

}  // namespace platter::tar
