// Walks the files of a guest's file system, on hostile bytes.
#pragma once

#include "formats/core/file_tree.h"
#include "formats/core/limits.h"

namespace platter::fuzz {

// Visits a bounded number of entries, reads the ends of files, and finds some entries again by their path.
void LookAtTree(FileTree& tree, const Limits& limits);

}  // namespace platter::fuzz
