// New volumes out of a folder on the host, by libisofs: the only part of the
// project that knows that library.
#pragma once

#include "formats/core/driver.h"

namespace platter::iso {

// Writes a volume of request.folder's files into request.storage. Owners become
// root, times after SOURCE_DATE_EPOCH become that one: the same files give the
// same bytes where it is set. The first descriptor is written last. kInvalid
// for wrong options and files that do not fit the standards, kIo, kCancelled.
Result<> Author(const AuthorRequest& request);

}  // namespace platter::iso
