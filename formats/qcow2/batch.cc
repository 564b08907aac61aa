#include "formats/qcow2/batch.h"

#include <algorithm>
#include <vector>

#include "formats/core/checked.h"

namespace platter::qcow2 {

Result<> CompressClusters(Batch& batch, CompressorPool& compressors, std::uint64_t cluster_size) {
  batch.units.clear();
  auto compressor = compressors.Take();
  std::vector<std::byte> last_cluster;
  std::size_t used = 0;
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kData) continue;
    for (std::uint64_t at = run.offset; at < run.end(); at += cluster_size) {
      auto cluster = batch.bytes.subspan(at - batch.offset, std::min(cluster_size, run.end() - at));
      if (cluster.size() < cluster_size) {
        last_cluster.assign(cluster.begin(), cluster.end());
        last_cluster.resize(cluster_size);
        cluster = last_cluster;
      }
      if (batch.encoded.size() < used + cluster_size) {
        batch.encoded.resize(std::max<std::size_t>(used + cluster_size, AlignUp(batch.bytes.size(), cluster_size)));
      }
      const auto out = std::span(batch.encoded).subspan(used, cluster_size - 1);
      const std::size_t length = PLATTER_TRY(compressor->Compress(cluster, out));
      batch.units.push_back({used, length});
      used += length;
    }
  }
  compressors.Give(std::move(compressor));
  return Done{};
}

}  // namespace platter::qcow2
