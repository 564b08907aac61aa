// `platter create --from FOLDER`: an image out of files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "tools/platter/persona.h"

namespace platter::cli {

struct AuthorArguments {
  std::string format;                                         // -f
  std::string filename;                                       // of the new image
  std::string folder;                                         // --from
  std::string options;                                        // every -o, joined
  std::vector<std::pair<std::string, std::string>> switches;  // options that have a switch of their own: name, value
  bool quiet = false;
};

// Makes the image; what was begun is taken away again when that fails or is interrupted.
Result<> AuthorImage(const Persona& persona, const AuthorArguments& arguments);

}  // namespace platter::cli
