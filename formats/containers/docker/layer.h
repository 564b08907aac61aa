// One layer, read to its end: how large it is, whether it is the one that is meant, and what unpacking it would do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/containers/docker/catalog.h"
#include "formats/containers/docker/layer_stream.h"
#include "formats/containers/tar/index.h"
#include "formats/core/finding.h"
#include "formats/core/finding_count.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/unpacking.h"

namespace platter::docker {

struct LayerMeasure {
  Compression compression = Compression::kNone;
  std::uint64_t size = 0;  // bytes that it unpacks to
};

// Whose layers they are. Those of strangers unpack to what deflate can make of them, whatever packs them.
enum class LayerOrigin : std::uint8_t { kOwn, kUpload };

// Reads all of it, and compares digests. kCorrupt where they differ ("layer", "digest" or "diff_id") and for a damaged
// stream; kLimit beyond what the compression can do and 16 times limits.metadata_bytes; as LayerStream.
Result<LayerMeasure> MeasureLayer(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits,
                                  LayerOrigin origin, const Unpacking& unpacking = {});

// Whoever wants what is read.
class LayerVisitor {
 public:
  virtual ~LayerVisitor() = default;
  // In front of the piece from byte `position` of the unpacked layer on, a multiple of kLayerPiece.
  virtual void Before(std::uint64_t position, const LayerStream& stream) = 0;
  // The piece itself, kLayerPiece bytes but for the last one. Called on a thread of its own, one call at a time.
  virtual Result<> Take(std::span<const std::byte> piece) = 0;
};
inline constexpr std::uint64_t kLayerPiece = std::uint64_t{256} << 10;
// The same of a layer of one's own, while `visitor` gets all of it, and the visitor's errors. Unpacks on one thread,
// and hashes on another.
Result<LayerMeasure> VisitLayer(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits,
                                LayerVisitor& visitor);

// The tar in it: `stored` itself, or what it unpacks to.
std::shared_ptr<Storage> UnpackedLayer(std::shared_ptr<Storage> stored, const LayerMeasure& measure,
                                       const Unpacking& unpacking = {});

// The members of a layer. An empty file is a layer without any. As tar::ReadIndex.
Result<> ReadLayerIndex(Storage& unpacked, const Limits& limits, tar::Index& index);

// What of it is unsafe to unpack: codes docker.layer_*. `count`: of all layers of the archive.
void JudgeLayer(const tar::Index& index, std::vector<Finding>& findings, FindingCount& count);

inline constexpr std::string_view kWhiteout = ".wh.";          // in front of a name that the layers below lose
inline constexpr std::string_view kOpaque = ".wh..wh..opq";    // the folder loses all that the layers below have
inline constexpr std::string_view kWhiteoutMeta = ".wh..wh.";  // of aufs; opaque folders apart, it means nothing

}  // namespace platter::docker
