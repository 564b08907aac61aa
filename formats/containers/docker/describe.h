// What info says of container images.
#pragma once

#include <vector>

#include "formats/containers/container.h"
#include "formats/containers/docker/catalog.h"
#include "formats/core/detail.h"

namespace platter::docker {

// As the documents have them: not measured.
std::vector<WrappedLayer> WrappedLayers(const Catalog& catalog);
// "kind" ("docker-archive", "oci-layout" or both, "," between), "images", a list of
//   "tags", "digest" (of the manifest), "config-digest", "architecture", "variant", "os", "created", "author",
//   "entry-point", "command", "environment", "working-directory", "user", "exposed-ports", "volumes", "labels",
//   "layers" (numbers in the container's layers, from 0 on, lowest first), "history"
// and "attestations" and "artifacts", how many. What is not said is absent.
Detail DetailOf(const Catalog& catalog);

}  // namespace platter::docker
