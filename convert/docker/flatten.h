// One file system out of the layers of a container image.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "formats/containers/docker/catalog.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ext/new_volume.h"

namespace platter::docker {

struct FlattenRequest {
  std::optional<std::uint64_t> size;  // bytes of the file system; fitted to the content unless said
  std::string label;
  Limits limits;
};

struct Flattened {
  ext::NewVolume volume;
  std::uint64_t files = 0;  // inodes of the image
  std::uint64_t bytes = 0;  // of their content
};

// The image's layers, lowest first, laid over each other and put into an ext4 file system. Each layer is read once
// here, its digests are compared, and only its names and attributes are kept: the content is unpacked again when the
// volume is read, in order. Nothing is written anywhere. The same image and request give the same bytes. Errors of
// UnpackedLayers::Add, LayeredTree and ext::MakeVolume; kLimit where the tree takes more than 8 times
// limits.metadata_bytes. `blobs` is used no longer once this returns.
Result<Flattened> Flatten(const Catalog& catalog, const Image& image, Blobs& blobs, const FlattenRequest& request);

}  // namespace platter::docker
