// A folder of files to author volumes from, and what is in a folder or in a volume, in a form that can be compared.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "formats/core/file_tree.h"
#include "formats/open.h"

namespace platter::test {

// Files of sizes around a sector, long and non-ASCII names, a directory of several sectors, eleven levels, symbolic
// links of every kind, modes and a fixed time.
void MakeSampleTree(const std::string& folder);

// How much of a file is compared.
struct Aspects {
  bool posix = true;       // modes, times, symbolic links (which are left out otherwise)
  bool link_times = true;  // of symbolic links
};

// "a/b" -> "file 2049 sha256 mode time", of a folder on the host and of a tree in an image. A directory that cannot be
// walked stands in the map with its error.
std::map<std::string, std::string> ContentOfFolder(const std::string& folder, Aspects aspects = {});
std::map<std::string, std::string> ContentOfTree(FileTree& tree, Aspects aspects = {});

// A line for each path that is not the same in both; "" when they are equal.
std::string Differences(const std::map<std::string, std::string>& expected,
                        const std::map<std::string, std::string>& found);

// An image file opened by the driver named "iso"; `tree` as its open option. Throws with the error's text.
std::shared_ptr<Image> OpenVolume(const std::string& path, const std::string& tree = "auto");
Result<std::shared_ptr<Image>> TryOpenVolume(std::shared_ptr<Storage> storage, const std::string& tree = "auto");

}  // namespace platter::test
