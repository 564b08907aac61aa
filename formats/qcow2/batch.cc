#include "formats/qcow2/batch.h"

#include <algorithm>
#include <vector>

#include "formats/core/checked.h"

namespace platter::qcow2 {
namespace {

void MakeRoom(Batch& batch, std::size_t used, std::size_t room, std::uint64_t cluster_size) {
  if (batch.encoded.size() >= used + room) return;
  batch.encoded.resize(std::max<std::size_t>(used + room, AlignUp(batch.bytes.size(), cluster_size)));
}

}  // namespace

Result<> CompressClusters(Batch& batch, CompressorPool& compressors, std::uint64_t cluster_size) {
  batch.units.clear();
  auto compressor = compressors.Take();
  std::vector<std::byte> last_cluster;
  std::size_t used = 0;
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kData) continue;
    for (std::uint64_t at = run.offset; at < run.end(); at += cluster_size) {
      if (const PackedUnit* packed = batch.packed.Find(at)) {
        MakeRoom(batch, used, packed->length, cluster_size);
        std::ranges::copy(batch.packed.StreamOf(*packed), batch.encoded.begin() + static_cast<std::ptrdiff_t>(used));
        batch.units.push_back({used, packed->length, packed->phase});
        used += packed->length;
        continue;
      }
      auto cluster = batch.bytes.subspan(at - batch.offset, std::min(cluster_size, run.end() - at));
      if (cluster.size() < cluster_size) {
        last_cluster.assign(cluster.begin(), cluster.end());
        last_cluster.resize(cluster_size);
        cluster = last_cluster;
      }
      MakeRoom(batch, used, cluster_size, cluster_size);
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
