// What an archive or a layout holds: its images, and the layers that they are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/containers/docker/blobs.h"
#include "formats/containers/docker/manifest.h"
#include "formats/core/finding.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"

namespace platter::docker {

struct Layer {
  std::string file;                          // its name in the archive
  std::string media_type;                    // "" where none is said
  std::optional<BlobDigest> digest;          // of the stored bytes, where something names it
  BlobDigest diff_id;                        // of the unpacked ones, as the config says
  std::optional<std::uint64_t> stored_size;  // bytes; none where it is not there
};

struct Image {
  std::vector<std::string> tags;
  std::string config_file;
  std::optional<BlobDigest> manifest;
  std::optional<BlobDigest> config_digest;
  ImageConfig config;
  std::vector<std::size_t> layers;       // in Catalog::layers, lowest first
  bool listed = false;                   // by manifest.json
  bool indexed = false;                  // by index.json
  std::vector<std::string> groups = {};  // digests of the indexes in index.json that list it for its platform
};

struct Catalog {
  std::vector<Layer> layers;  // each file once
  std::vector<Image> images;
  std::size_t attestations = 0;
  std::size_t artifacts = 0;  // manifests of what is no image
  bool listed = false;        // there is a manifest.json
  bool indexed = false;       // there is an index.json
  std::vector<Finding> findings;
  // Why the images cannot be relied on: of the first finding that is more than a warning.
  std::optional<Error> fault;
};

// Reads all documents, and compares their digests and sizes with what is said of them; opens layers, and reads none.
// What is wrong is in `findings` and `fault`. While files are still arriving, what is not there yet is left out. kIo
// only.
Result<> ReadCatalog(Blobs& blobs, const Limits& limits, Catalog& catalog);

}  // namespace platter::docker
