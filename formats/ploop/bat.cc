#include "formats/ploop/bat.h"

#include <fmt/format.h>

#include <utility>

namespace platter::ploop {
namespace {

// Entries passed over in one call, so that an extent of any length costs a bounded amount of work.
constexpr std::uint64_t kEntriesPerCall = std::uint64_t{1} << 20;

bool Continues(const ClusterRun& run, const ClusterRun& next) noexcept {
  if (run.host.has_value() != next.host.has_value()) return false;
  return !run.host || *run.host + run.length == *next.host;
}

Result<NumberSet> FindRepeated(Storage& storage, const Header& header, const Limits& limits) {
  NumberSet seen;
  NumberSet repeated;
  const std::uint64_t file_size = storage.size();
  PLATTER_CHECK(ForEachEntry(storage, header, [&](std::uint64_t cluster, std::uint32_t entry) -> Result<> {
    if (!CheckEntry(header, cluster, entry, file_size).ok()) return Done{};
    const std::uint32_t place = PlaceOf(header, entry);
    if (!seen.Add(place)) (void)repeated.Add(place);
    if (seen.memory() + repeated.memory() <= limits.metadata_bytes) return Done{};
    return Error(ErrorKind::kLimit, "block allocation table is too large to be checked").In(storage.name());
  }));
  return repeated;
}

}  // namespace

Bat::Bat(std::shared_ptr<Storage> storage, const Header& header, const Limits& limits)
    : storage_(std::move(storage)),
      header_(header),
      limits_(limits),
      file_size_(storage_->size()),
      entries_(storage_, std::uint64_t{1} << 16, limits.table_cache, TableWord::kLittle32) {}

Result<bool> Bat::IsRepeated(std::uint32_t place) {
  const std::lock_guard lock(mutex_);
  if (!repeated_) repeated_ = PLATTER_TRY(FindRepeated(*storage_, header_, limits_));
  return repeated_->Contains(place);
}

Result<ClusterRun> Bat::ClusterAt(std::uint64_t guest) {
  const std::uint64_t cluster = guest / header_.cluster_size;
  const std::uint64_t inside = guest % header_.cluster_size;
  const auto entry = static_cast<std::uint32_t>(PLATTER_TRY(entries_.Word(header_.EntryOffset(cluster))));
  ClusterRun run{header_.GuestBytes(cluster) - inside};
  if (entry == 0) return run;
  PLATTER_CHECK(CheckEntry(header_, cluster, entry, file_size_));
  if (PLATTER_TRY(IsRepeated(PlaceOf(header_, entry)))) {
    return Error(ErrorKind::kCorrupt, "cluster is used for more than one part of the disk")
        .At("block allocation table", fmt::format("entry {}", cluster), header_.EntryOffset(cluster))
        .Found(entry)
        .Allowed("each place once")
        .Try("run platter check");
  }
  run.host = header_.HostOffset(entry) + inside;
  return run;
}

Result<ClusterRun> Bat::At(ByteRange range) {
  ClusterRun run = PLATTER_TRY(ClusterAt(range.offset()));
  for (std::uint64_t passed = 1; run.length < range.length() && passed < kEntriesPerCall; ++passed) {
    auto next = ClusterAt(range.offset() + run.length);
    // A wrong entry further on is the business of who asks for it; a read that failed is not passed over.
    if (!next.ok() && next.error().kind() == ErrorKind::kIo) return std::move(next).error();
    if (!next.ok() || !Continues(run, next.value())) break;
    run.length += next.value().length;
  }
  run.length = std::min(run.length, range.length());
  return run;
}

}  // namespace platter::ploop
