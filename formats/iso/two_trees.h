// Whether the trees of one volume give one path to different content: which a reader sees depends on whose names it
// goes by.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/volume.h"

namespace platter::iso {

// A path of the primary descriptor's tree (by Rock Ridge's names where it has them) and of a Joliet or enhanced one
// whose files lie in different extents; nullopt where there is none. What stands in one tree only is as its author
// wanted it. Names are compared as they are, then without regard to what a tree cannot hold. kLimit, kIo.
Result<std::optional<std::string>> FindPathOfTwoContents(const std::shared_ptr<Storage>& data, const Volume& volume,
                                                         const Limits& limits);

}  // namespace platter::iso
