// Images in an archive of container images, as a command line names them.
#pragma once

#include <optional>
#include <string>

#include "formats/containers/docker/catalog.h"
#include "formats/core/result.h"

namespace platter::cli {

// What the command line says of the image that is meant.
struct ImageChoice {
  std::optional<std::string> image;     // a number from 1 on, a tag, or a digest of the manifest or the config
  std::optional<std::string> platform;  // OS/ARCHITECTURE[/VARIANT], or ARCHITECTURE alone
};

// The one image that fits. A tag fits whole ("name:tag"), without ":latest", and as the bare tag of an image layout.
// kInvalid where none fits, and where several do; the message lists them.
Result<const docker::Image*> ChooseImage(const docker::Catalog& catalog, const ImageChoice& choice);

// "linux/arm64/v8"
std::string PlatformOf(const docker::Image& image);

}  // namespace platter::cli
