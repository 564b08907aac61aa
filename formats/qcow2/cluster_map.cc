#include "formats/qcow2/cluster_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace platter::qcow2 {
namespace {

// Tables read in one call, so that an extent of any length costs a bounded amount of work.
constexpr std::uint32_t kPagesPerCall = 256;

bool Continues(const ClusterRun& run, const ClusterRun& next) noexcept {
  return run.kind == next.kind && (!HasHost(run.kind) || run.host + run.length == next.host);
}

}  // namespace

// A cursor for one call: the shared one that this thread most likely used last, or a fresh one when that is taken.
class ClusterMap::CursorLease {
 public:
  explicit CursorLease(ClusterMap& map)
      : shared_(map.cursors_[std::hash<std::thread::id>{}(std::this_thread::get_id()) % map.cursors_.size()]),
        held_(!shared_.busy.test_and_set(std::memory_order_acquire)) {
    cursor().pages_loaded = 0;
  }
  ~CursorLease() {
    if (held_) shared_.busy.clear(std::memory_order_release);
  }
  CursorLease(const CursorLease&) = delete;
  CursorLease& operator=(const CursorLease&) = delete;

  Cursor& cursor() noexcept { return held_ ? shared_.cursor : own_; }

 private:
  SharedCursor& shared_;
  bool held_;
  Cursor own_;
};

ClusterMap::ClusterMap(const Header& header, Place place, std::shared_ptr<TableCache> tables, std::uint64_t file_size)
    : header_(header),
      place_(place),
      tables_(std::move(tables)),
      file_size_(file_size),
      bits_(header.cluster_bits),
      cluster_(header.cluster_size()),
      l2_entries_(header.l2_entries()),
      coverage_bits_(static_cast<std::uint32_t>(std::countr_zero(header.l2_coverage()))),
      reserved_(header.l2_reserved()),
      page_mask_(~(tables_->page_bytes() - 1)) {}

Result<ClusterRun> ClusterMap::At(ByteRange range) {
  CursorLease lease(*this);
  return JoinedAt(lease.cursor(), range);
}

Result<std::optional<CompressedCluster>> ClusterMap::CompressedAt(std::uint64_t guest) {
  using Answer = std::optional<CompressedCluster>;
  CursorLease lease(*this);
  Cursor& cursor = lease.cursor();
  PLATTER_CHECK(SeekL1(cursor, guest >> coverage_bits_));
  if (cursor.l2_offset == 0) return Answer();
  const Entry entry = PLATTER_TRY(SeekEntry(cursor, guest));
  if ((entry.word & kCompressed) == 0) return Answer();
  if (!Decode(entry, 0)) return EntryError(cursor.l2_offset, guest, entry);
  CompressedSpot spot = DecodeCompressed(header_, entry.word);
  const std::uint64_t stored = std::min(spot.length, file_size_ - spot.offset);
  const bool clipped = stored < spot.length;
  spot.length = stored;
  return Answer(CompressedCluster{spot, clipped, cursor.l2_offset, L2Index(guest)});
}

Result<ClusterRun> ClusterMap::JoinedAt(Cursor& cursor, ByteRange range) const {
  ClusterRun run = PLATTER_TRY(PieceAt(cursor, range.offset(), range.end()));
  while (run.length < range.length() && cursor.pages_loaded < kPagesPerCall) {
    const std::uint64_t guest = range.offset() + run.length;
    if (CanSkim(cursor, run, guest)) {
      const Skimmed skimmed = SkimPage(cursor, run, guest);
      run.length = std::min(run.length + skimmed.length, range.length());
      if (skimmed.stopped) break;
      continue;
    }
    const auto next = PieceAt(cursor, guest, range.end());
    if (!next.ok() || !Continues(run, next.value())) break;  // an error waits until it is asked for
    run.length += next.value().length;
  }
  return run;
}

bool ClusterMap::CanSkim(const Cursor& cursor, const ClusterRun& run, std::uint64_t guest) const noexcept {
  if (header_.extended_l2() || run.kind == ClusterKind::kCompressedData) return false;
  if (guest >> coverage_bits_ != cursor.l1_index || cursor.l2_offset == 0) return false;
  const std::uint64_t at = cursor.l2_offset + L2Index(guest) * sizeof(std::uint64_t);
  return cursor.l2_page != nullptr && cursor.l2_page->offset == (at & page_mask_);
}

ClusterMap::Skimmed ClusterMap::SkimPage(const Cursor& cursor, const ClusterRun& run,
                                         std::uint64_t guest) const noexcept {
  const std::uint64_t index = L2Index(guest);
  const std::uint64_t at = cursor.l2_offset + index * sizeof(std::uint64_t);
  const auto words = std::span(cursor.l2_page->words).subspan((at & ~page_mask_) / sizeof(std::uint64_t));
  const auto entries = words.first(std::min<std::uint64_t>(words.size(), l2_entries_ - index));
  // COPIED says nothing to a reader; except that in a data file it tells cluster 0 from no cluster.
  const std::uint64_t mask = run.kind == ClusterKind::kUnallocated ? ~std::uint64_t{0} : ~kCopied;
  const bool zero = run.kind == ClusterKind::kZero || run.kind == ClusterKind::kZeroKept;
  const std::uint64_t step = HasHost(run.kind) ? cluster_ : 0;
  std::uint64_t expected = (step == 0 ? 0 : run.host + run.length) | (zero ? kAllZero : 0);
  std::uint64_t most = entries.size();
  if (run.kind == ClusterKind::kData && !header_.has_data_file()) {
    // As in Decode: a cluster that begins behind the file's end is an error, and so no part of a run.
    const std::uint64_t next = run.host + run.length;
    most = std::min(most, next < file_size_ ? DivideRoundingUp(file_size_ - next, cluster_) : 0);
  }
  std::uint64_t count = 0;
  while (count < most && (entries[count] & mask) == expected) {
    expected += step;
    ++count;
  }
  return {count << bits_, count < entries.size()};
}

Result<ClusterRun> ClusterMap::PieceAt(Cursor& cursor, std::uint64_t guest, std::uint64_t end) const {
  PLATTER_CHECK(SeekL1(cursor, guest >> coverage_bits_));
  if (cursor.l2_offset == 0) {
    return ClusterRun{PLATTER_TRY(UnallocatedTables(cursor, guest, end)), ClusterKind::kUnallocated, 0};
  }
  const Entry entry = PLATTER_TRY(SeekEntry(cursor, guest));
  auto run = Decode(entry, guest & (cluster_ - 1));
  if (!run) return EntryError(cursor.l2_offset, guest, entry);
  run->length = std::min(run->length, end - guest);
  return *run;
}

Result<std::uint64_t> ClusterMap::LoadL1Entry(Cursor& cursor, std::uint64_t l1_index) const {
  const std::uint64_t at = place_.l1_offset + l1_index * kL1EntrySize;
  if (cursor.l1_page == nullptr || cursor.l1_page->offset != (at & page_mask_)) {
    cursor.l1_page = PLATTER_TRY(tables_->Get(at));
  }
  return cursor.l1_page->words[(at & ~page_mask_) / sizeof(std::uint64_t)];
}

Result<> ClusterMap::SeekL1(Cursor& cursor, std::uint64_t l1_index) const {
  if (cursor.l1_index == l1_index) return Done{};
  cursor.l1_index = kNowhere;
  const std::uint64_t entry = PLATTER_TRY(LoadL1Entry(cursor, l1_index));
  const std::uint64_t offset = entry & kOffsetMask;
  const bool valid = (entry & kL1Reserved) == 0 && IsAligned(offset, cluster_) &&
                     (offset == 0 || FitsWithin(offset, cluster_, file_size_));
  if (!valid) return L1Error(l1_index, entry);
  cursor.l1_index = l1_index;
  cursor.l2_offset = offset;
  return Done{};
}

Result<std::uint64_t> ClusterMap::UnallocatedTables(Cursor& cursor, std::uint64_t guest, std::uint64_t end) const {
  const std::uint64_t last = (end - 1) >> coverage_bits_;
  std::uint64_t l1_index = (guest >> coverage_bits_) + 1;
  while (l1_index <= last && (PLATTER_TRY(LoadL1Entry(cursor, l1_index)) & ~kCopied) == 0) ++l1_index;
  return std::min(l1_index << coverage_bits_, end) - guest;
}

Result<ClusterMap::Entry> ClusterMap::SeekEntry(Cursor& cursor, std::uint64_t guest) const {
  const bool extended = header_.extended_l2();
  const std::uint64_t at = cursor.l2_offset + (L2Index(guest) << (extended ? 4 : 3));
  if (cursor.l2_page == nullptr || cursor.l2_page->offset != (at & page_mask_)) {
    cursor.l2_page = PLATTER_TRY(tables_->Get(at));
    ++cursor.pages_loaded;
  }
  const std::uint64_t* words = &cursor.l2_page->words[(at & ~page_mask_) / sizeof(std::uint64_t)];
  return Entry{words[0], extended ? words[1] : 0};
}

std::optional<ClusterRun> ClusterMap::Decode(Entry entry, std::uint64_t inside) const noexcept {
  if ((entry.word & kCompressed) != 0) return DecodeCompressedEntry(entry, inside);
  const std::uint64_t host = entry.word & kOffsetMask;
  if ((entry.word & reserved_) != 0 || !IsAligned(host, cluster_)) return std::nullopt;
  if (header_.extended_l2()) return DecodeSubclusters(entry, inside);
  ClusterRun run{cluster_ - inside, ClusterKind::kData, host + inside};
  if ((entry.word & kAllZero) != 0) {
    run.kind = host == 0 ? ClusterKind::kZero : ClusterKind::kZeroKept;
    return run;
  }
  if (header_.has_data_file()) {
    // A data file's cluster 0 is told from an unallocated cluster by the COPIED bit.
    if (host == 0 && (entry.word & kCopied) == 0) run.kind = ClusterKind::kUnallocated;
    return run;
  }
  if (host == 0) run.kind = ClusterKind::kUnallocated;
  if (host >= file_size_) return std::nullopt;
  return run;
}

std::optional<ClusterRun> ClusterMap::DecodeCompressedEntry(Entry entry, std::uint64_t inside) const noexcept {
  // A set COPIED bit is wrong here, but changes nothing for a reader; qemu reads such clusters too.
  const bool allowed = entry.bitmap == 0 && !header_.has_data_file();
  if (!allowed || DecodeCompressed(header_, entry.word).offset >= file_size_) return std::nullopt;
  return ClusterRun{cluster_ - inside, ClusterKind::kCompressedData, 0};
}

std::optional<ClusterRun> ClusterMap::DecodeSubclusters(Entry entry, std::uint64_t inside) const noexcept {
  const auto allocated = static_cast<std::uint32_t>(entry.bitmap);
  const auto zero = static_cast<std::uint32_t>(entry.bitmap >> 32);
  const std::uint64_t host = entry.word & kOffsetMask;
  const bool placed = host != 0 || (header_.has_data_file() && (entry.word & kCopied) != 0);
  if ((allocated & zero) != 0 || (!placed && allocated != 0)) return std::nullopt;
  if (allocated != 0 && !header_.has_data_file() && host >= file_size_) return std::nullopt;

  const std::uint64_t unit = header_.subcluster_size();
  const std::uint64_t first = inside / unit;
  ClusterRun run{0, placed ? ClusterKind::kUnallocatedKept : ClusterKind::kUnallocated, host + inside};
  std::uint32_t alike = ~(allocated | zero);
  if ((allocated >> first & 1) != 0) {
    run.kind = ClusterKind::kData;
    alike = allocated;
  } else if ((zero >> first & 1) != 0) {
    run.kind = placed ? ClusterKind::kZeroKept : ClusterKind::kZero;
    alike = zero;
  }
  const auto count =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(std::countr_one(alike >> first)), kSubclusters - first);
  run.length = (first + count) * unit - inside;
  return run;
}

Error ClusterMap::L1Error(std::uint64_t l1_index, std::uint64_t entry) const {
  const std::uint64_t offset = entry & kOffsetMask;
  std::string what = "L1 entry has reserved bits set";
  if ((entry & kL1Reserved) == 0) what = "L2 table lies outside the file";
  if (!IsAligned(offset, cluster_)) what = fmt::format("L2 table offset {:#x} unaligned", offset);
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At(fmt::format("L1 table at {:#x}", place_.l1_offset), fmt::format("entry {}", l1_index),
          place_.l1_offset + l1_index * kL1EntrySize)
      .Found(fmt::format("{:#018x}", entry))
      .Allowed(fmt::format("a table at a multiple of {} inside the file's {} bytes", cluster_, file_size_));
}

Error ClusterMap::EntryError(std::uint64_t l2_offset, std::uint64_t guest, Entry entry) const {
  const std::uint64_t host = entry.word & kOffsetMask;
  const auto allocated = static_cast<std::uint32_t>(entry.bitmap);
  const auto zero = static_cast<std::uint32_t>(entry.bitmap >> 32);
  std::string what = "cluster lies outside the file";
  std::string allowed = fmt::format("an offset below the file's {} bytes", file_size_);
  if ((entry.word & kCompressed) != 0) {
    if (header_.has_data_file()) {
      what = "compressed cluster in an image with an external data file";
      allowed = "uncompressed clusters";
    } else if (entry.bitmap != 0) {
      what = "compressed cluster with subclusters";
      allowed = "no subcluster bits";
    }
  } else if ((entry.word & reserved_) != 0) {
    what = "L2 entry has reserved bits set";
    allowed = fmt::format("zeros in {:#x}", reserved_);
  } else if (!IsAligned(host, cluster_)) {
    what = fmt::format("Cluster allocation offset {:#x} unaligned", host);
    allowed = fmt::format("a multiple of {}", cluster_);
  } else if ((allocated & zero) != 0) {
    what = "subclusters are both allocated and zero";
    allowed = "at most one of the two bits of a subcluster";
  } else if (allocated != 0 && host == 0) {
    what = "subclusters are allocated in a cluster that has no place";
    allowed = "no allocated subclusters";
  }
  const std::uint64_t index = L2Index(guest);
  const std::string found = header_.extended_l2() ? fmt::format("{:#018x}, bitmap {:#018x}", entry.word, entry.bitmap)
                                                  : fmt::format("{:#018x}", entry.word);
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At(fmt::format("L2 table at {:#x}", l2_offset), fmt::format("entry {}", index),
          l2_offset + index * header_.l2_entry_size())
      .Found(found)
      .Allowed(std::move(allowed));
}

}  // namespace platter::qcow2
