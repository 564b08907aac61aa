#include "formats/qcow/cluster_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace platter::qcow {
namespace {

// L1 entries passed over in one call, so that an extent of any length costs a bounded amount of work.
constexpr std::uint64_t kTablesPerCall = std::uint64_t{1} << 22;

bool Continues(const ClusterRun& run, const ClusterRun& next) noexcept {
  return run.kind == next.kind && (run.kind != ClusterKind::kData || run.host + run.length == next.host);
}

}  // namespace

ClusterMap::ClusterMap(std::shared_ptr<Storage> storage, const Header& header, const Limits& limits)
    : header_(header),
      file_size_(storage->size()),
      tables_(std::move(storage), header.l2_bytes(), limits.table_cache) {}

// Tables stand at any offset; only what lies across two pages takes two look-ups.
Result<std::uint64_t> ClusterMap::Word(std::uint64_t offset) {
  const auto aligned_word = [this](std::uint64_t at) -> Result<std::uint64_t> {
    const auto page = PLATTER_TRY(tables_.Get(at));
    return page->words[(at - page->offset) / kEntrySize];
  };
  const std::uint64_t skew = offset % kEntrySize;
  const std::uint64_t first = PLATTER_TRY(aligned_word(offset - skew));
  if (skew == 0) return first;
  const std::uint64_t second = PLATTER_TRY(aligned_word(offset - skew + kEntrySize));
  return first << 8 * skew | second >> 8 * (kEntrySize - skew);
}

Result<std::uint64_t> ClusterMap::L2Offset(std::uint64_t l1_index) {
  const std::uint64_t at = header_.l1_table_offset + l1_index * kEntrySize;
  const std::uint64_t offset = PLATTER_TRY(Word(at));
  if (offset == 0 || FitsWithin(offset, header_.l2_bytes(), file_size_)) return offset;
  return Error(ErrorKind::kCorrupt, "L2 table lies outside the file")
      .At(fmt::format("L1 table at {:#x}", header_.l1_table_offset), fmt::format("entry {}", l1_index), at)
      .Found(fmt::format("{:#x}", offset))
      .Allowed(fmt::format("{} bytes inside the file's {}", header_.l2_bytes(), file_size_));
}

Result<std::uint64_t> ClusterMap::NextL2(std::uint64_t index, std::uint64_t last) {
  // In bytes, because entries need not lie at multiples of their size as the cache's words do.
  const std::uint64_t end = header_.l1_table_offset + (last + 1) * kEntrySize;
  for (++index; index <= last;) {
    const std::uint64_t at = header_.l1_table_offset + index * kEntrySize;
    if (PLATTER_TRY(Word(at)) != 0) break;
    const std::uint64_t word = AlignDown(at, kEntrySize) + kEntrySize;
    const std::uint64_t zeros = PLATTER_TRY(tables_.CountZeros(word, (end - word) / kEntrySize));
    index += std::max<std::uint64_t>((word + zeros * kEntrySize - at) / kEntrySize, 1);
  }
  return index;
}

Result<ClusterRun> ClusterMap::DecodeAt(std::uint64_t l2_offset, std::uint64_t guest) {
  const std::uint64_t index = guest >> header_.cluster_bits & ((std::uint64_t{1} << header_.l2_bits) - 1);
  const std::uint64_t inside = guest & (header_.cluster_size() - 1);
  const std::uint64_t entry = PLATTER_TRY(Word(l2_offset + index * kEntrySize));
  ClusterRun run{header_.cluster_size() - inside, ClusterKind::kUnallocated};
  if (entry == 0) return run;

  const bool compressed = (entry & kCompressed) != 0;
  const std::uint32_t offset_bits = 63 - header_.cluster_bits;
  const std::uint64_t host = compressed ? entry & ((std::uint64_t{1} << offset_bits) - 1) : entry;
  const auto fault = [&](const char* what, std::string allowed) {
    return Error(ErrorKind::kCorrupt, what)
        .At(fmt::format("L2 table at {:#x}", l2_offset), fmt::format("entry {}", index), l2_offset + index * kEntrySize)
        .Found(fmt::format("{:#018x}", entry))
        .Allowed(std::move(allowed));
  };
  const std::uint64_t stored = compressed ? entry >> offset_bits & (header_.cluster_size() - 1) : 1;
  if (!FitsWithin(host, stored, file_size_)) {
    return fault("cluster lies outside the file", fmt::format("a place inside the file's {} bytes", file_size_));
  }
  if (!compressed && host % kSectorSize != 0) return fault("cluster is not aligned", "a multiple of 512");
  run.kind = compressed ? ClusterKind::kCompressedData : ClusterKind::kData;
  run.host = compressed ? host : host + inside;
  run.stored = compressed ? stored : 0;
  return run;
}

Result<ClusterRun> ClusterMap::ClusterAt(ByteRange range) {
  const std::uint64_t inside = range.offset() & (header_.cluster_size() - 1);
  const std::uint64_t length = std::min(range.length(), header_.cluster_size() - inside);
  return At(PLATTER_TRY(ByteRange::Within(range.offset(), length, range.end())));
}

Result<ClusterRun> ClusterMap::At(ByteRange range) {
  const std::uint32_t coverage_bits = header_.coverage_bits();
  const std::uint64_t l1_index = range.offset() >> coverage_bits;
  const std::uint64_t l2_offset = PLATTER_TRY(L2Offset(l1_index));
  if (l2_offset == 0) {
    const std::uint64_t last = std::min((range.end() - 1) >> coverage_bits, l1_index + kTablesPerCall);
    const std::uint64_t end = std::min(PLATTER_TRY(NextL2(l1_index, last)) << coverage_bits, range.end());
    return ClusterRun{end - range.offset(), ClusterKind::kUnallocated};
  }
  const std::uint64_t end = std::min((l1_index + 1) << coverage_bits, range.end());
  ClusterRun run = PLATTER_TRY(DecodeAt(l2_offset, range.offset()));
  while (range.offset() + run.length < end) {
    const auto next = DecodeAt(l2_offset, range.offset() + run.length);
    if (!next.ok() || !Continues(run, next.value())) break;  // an error waits until it is asked for
    run.length += next.value().length;
  }
  run.length = std::min(run.length, end - range.offset());
  return run;
}

}  // namespace platter::qcow
