// One layer, read to its end: how large it is, whether it is the one that is meant, and what unpacking it would do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/containers/docker/catalog.h"
#include "formats/containers/docker/layer_stream.h"
#include "formats/containers/tar/index.h"
#include "formats/core/finding.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

struct LayerMeasure {
  Compression compression = Compression::kNone;
  std::uint64_t size = 0;  // bytes that it unpacks to
};

// What a layer of so many stored bytes may unpack to: what deflate can do, and for better codecs 16 times
// limits.metadata_bytes on top.
std::uint64_t MostUnpacked(std::uint64_t stored, const Limits& limits) noexcept;

// Reads all of it, and compares digests. kCorrupt where they differ ("layer", "digest" or "diff_id") and for a damaged
// stream; kLimit beyond MostUnpacked; as LayerStream.
Result<LayerMeasure> MeasureLayer(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits);

// The tar in it: `stored` itself, or what it unpacks to.
std::shared_ptr<Storage> UnpackedLayer(std::shared_ptr<Storage> stored, const LayerMeasure& measure);

// The members of a layer. An empty file is a layer without any. As tar::ReadIndex.
Result<> ReadLayerIndex(Storage& unpacked, const Limits& limits, tar::Index& index);

// What of it is unsafe to unpack: codes docker.layer_*.
void JudgeLayer(const tar::Index& index, std::vector<Finding>& findings);

inline constexpr std::string_view kWhiteout = ".wh.";          // in front of a name that the layers below lose
inline constexpr std::string_view kOpaque = ".wh..wh..opq";    // the folder loses all that the layers below have
inline constexpr std::string_view kWhiteoutMeta = ".wh..wh.";  // of aufs; opaque folders apart, it means nothing

}  // namespace platter::docker
