// The documents of a new image: texts out of values, the same for the same values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/containers/docker/digest.h"
#include "formats/containers/docker/layer_stream.h"
#include "formats/containers/docker/manifest.h"

namespace platter::docker {

// A layer that is stored.
struct NewLayer {
  BlobDigest digest;       // of the stored bytes
  BlobDigest diff_id;      // of the unpacked ones
  std::uint64_t size = 0;  // stored bytes
  Compression compression = Compression::kNone;
};

// The image's config: everything in `config` but `diff_ids`, which are the layers'. Names that are empty are left out.
std::string MakeConfig(const ImageConfig& config, const std::vector<NewLayer>& layers);
// The manifest of the OCI image specification.
std::string MakeManifest(std::string_view config_text, const std::vector<NewLayer>& layers);
// index.json; each tag makes an entry of its own for the one manifest, without any there is one.
std::string MakeIndex(std::string_view manifest_text, const ImageConfig& config, const std::vector<std::string>& tags);
// docker save's manifest.json.
std::string MakeSavedImages(std::string_view config_text, const std::vector<NewLayer>& layers,
                            const std::vector<std::string>& tags);
inline constexpr std::string_view kLayoutText = R"({"imageLayoutVersion":"1.0.0"})";

BlobDigest DigestOf(std::string_view text);

}  // namespace platter::docker
