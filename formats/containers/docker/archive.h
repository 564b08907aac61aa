// Opens an archive or a layout, for the driver and for whoever needs its layers.
#pragma once

#include <memory>
#include <string>

#include "formats/containers/docker/blobs.h"
#include "formats/containers/docker/catalog.h"
#include "formats/containers/tar/index.h"
#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

struct OpenedArchive {
  std::unique_ptr<tar::Index> index;  // empty where it is a folder; `blobs` may refer to it
  std::unique_ptr<Blobs> blobs;
  Catalog catalog;
};

// `storage`: the archive, or the index.json of a folder, whose other files are opened through the context's gate: it
// must outlive `blobs`. Errors as ContainerDriver::open; where documents are wrong, what is wrong first.
Result<OpenedArchive> OpenArchive(std::shared_ptr<Storage> storage, const OpenContext& context);

}  // namespace platter::docker
