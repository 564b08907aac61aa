#include "formats/qcow2/compressed_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace platter::qcow2 {
namespace {

// One host read: no more than this, unless a single cluster is larger.
constexpr std::uint64_t kGroupBytes = std::uint64_t{512} << 10;
// Unused bytes between two streams that are worth reading over.
constexpr std::uint64_t kGroupGap = std::uint64_t{16} << 10;

constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

std::uint64_t End(const CompressedSpot& spot) { return spot.offset + spot.length; }

Error CorruptCluster(std::uint64_t guest) {
  return Error(ErrorKind::kCorrupt, fmt::format("cluster at guest offset {:#x} is no longer compressed", guest));
}

}  // namespace

struct CompressedReader::Scratch {
  explicit Scratch(Compression compression) : inflater(compression) {}

  Inflater inflater;
  std::vector<CompressedCluster> group;
  std::uint64_t begin = 0;                // host bytes: where `bytes` comes from
  std::vector<std::byte> bytes;           // of the group
  std::vector<std::byte> cluster;         // the cluster that was last read in part
  std::uint64_t cluster_spot = kNowhere;  // host bytes where its stream starts
};

CompressedReader::CompressedReader(std::shared_ptr<Storage> storage, std::uint64_t cluster_size,
                                   Compression compression)
    : storage_(std::move(storage)),
      cluster_size_(cluster_size),
      compression_(compression),
      idle_([compression] { return std::make_unique<Scratch>(compression); }) {}

CompressedReader::~CompressedReader() = default;

Result<> CompressedReader::Read(ClusterMap& map, ByteRange range, std::span<std::byte> out) {
  IdlePool<Scratch>::Lease scratch(idle_);
  std::uint64_t guest = range.offset();
  while (!out.empty()) {
    const std::uint64_t inside = guest & (cluster_size_ - 1);
    std::uint64_t length = std::min<std::uint64_t>(cluster_size_ - inside, out.size());
    if (length < cluster_size_) {
      PLATTER_CHECK(ReadPart(map, *scratch, guest, out.first(length)));
    } else {
      PLATTER_CHECK(Gather(map, *scratch, guest, out.size() / cluster_size_));
      length = scratch->group.size() * cluster_size_;
      PLATTER_CHECK(InflateGroup(*scratch, out.first(length)));
    }
    guest += length;
    out = out.subspan(length);
  }
  return Done{};
}

Result<bool> CompressedReader::ReadPacked(ClusterMap& map, ByteRange range, PackedUnits& out) {
  IdlePool<Scratch>::Lease scratch(idle_);
  for (std::uint64_t guest = range.offset(); guest < range.end();) {
    PLATTER_CHECK(Gather(map, *scratch, guest, (range.end() - guest) / cluster_size_));
    if (!AddGroup(*scratch, guest, out)) return false;
    guest += scratch->group.size() * cluster_size_;
  }
  return true;
}

bool CompressedReader::AddGroup(const Scratch& scratch, std::uint64_t guest, PackedUnits& out) const {
  for (const CompressedCluster& cluster : scratch.group) {
    const auto stream = std::span(scratch.bytes).subspan(cluster.spot.offset - scratch.begin, cluster.spot.length);
    const auto end = FindStreamEnd(compression_, stream, cluster_size_);
    if (!end || (cluster.clipped && !end->exact)) return false;
    std::optional<std::uint16_t> phase;
    if (!end->exact) phase = static_cast<std::uint16_t>(cluster.spot.offset % kCompressedSector);
    // The target's writer has a cluster's room for a stream.
    if (end->length + phase.value_or(0) > cluster_size_) return false;
    out.Add(guest, stream.first(end->length), phase);
    guest += cluster_size_;
  }
  return true;
}

Result<> CompressedReader::Gather(ClusterMap& map, Scratch& scratch, std::uint64_t guest, std::uint64_t count) const {
  auto& group = scratch.group;
  group.clear();
  std::uint64_t end = 0;
  for (std::uint64_t at = 0; at < count; ++at) {
    const auto cluster = PLATTER_TRY(map.CompressedAt(guest + at * cluster_size_));
    if (!cluster) return CorruptCluster(guest + at * cluster_size_);
    const CompressedSpot& spot = cluster->spot;
    if (!group.empty()) {
      const CompressedSpot& previous = group.back().spot;
      const bool near = spot.offset >= previous.offset && spot.offset <= end + kGroupGap;
      if (!near || std::max(end, End(spot)) - group.front().spot.offset > kGroupBytes) break;
    }
    end = std::max(end, End(spot));
    group.push_back(*cluster);
  }
  return LoadGroup(scratch, end);
}

Result<> CompressedReader::LoadGroup(Scratch& scratch, std::uint64_t end) const {
  scratch.begin = scratch.group.front().spot.offset;
  scratch.bytes.resize(end - scratch.begin);
  return storage_->ReadAt(scratch.begin, scratch.bytes);
}

Result<> CompressedReader::InflateGroup(Scratch& scratch, std::span<std::byte> out) const {
  for (const CompressedCluster& cluster : scratch.group) {
    PLATTER_CHECK(InflateOne(scratch, cluster, out.first(cluster_size_)));
    out = out.subspan(cluster_size_);
  }
  return Done{};
}

Result<> CompressedReader::ReadPart(ClusterMap& map, Scratch& scratch, std::uint64_t guest,
                                    std::span<std::byte> out) const {
  const auto cluster = PLATTER_TRY(map.CompressedAt(guest));
  if (!cluster) return CorruptCluster(guest);
  if (scratch.cluster_spot != cluster->spot.offset) {
    scratch.cluster_spot = kNowhere;
    scratch.cluster.resize(cluster_size_);
    scratch.group.assign(1, *cluster);
    PLATTER_CHECK(LoadGroup(scratch, End(cluster->spot)));
    PLATTER_CHECK(InflateOne(scratch, *cluster, scratch.cluster));
    scratch.cluster_spot = cluster->spot.offset;
  }
  const auto part = std::span(scratch.cluster).subspan(guest & (cluster_size_ - 1), out.size());
  std::ranges::copy(part, out.begin());
  return Done{};
}

Result<> CompressedReader::InflateOne(Scratch& scratch, const CompressedCluster& cluster,
                                      std::span<std::byte> out) const {
  const auto stream = std::span(scratch.bytes).subspan(cluster.spot.offset - scratch.begin, cluster.spot.length);
  auto inflated = scratch.inflater.Inflate(stream, out);
  if (inflated.ok()) return inflated;
  return std::move(inflated)
      .error()
      .At(fmt::format("L2 table at {:#x}", cluster.l2_offset), fmt::format("entry {}", cluster.l2_index))
      .Found(fmt::format("a stream at {:#x} in {} bytes", cluster.spot.offset, cluster.spot.length))
      .Allowed(fmt::format("one that gives {} bytes", cluster_size_));
}

}  // namespace platter::qcow2
