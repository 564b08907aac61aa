#include "formats/vmdk/extent_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "formats/core/checked.h"
#include "formats/vmdk/sector_claims.h"

namespace platter::vmdk {
namespace {

class ExtentCheck {
 public:
  ExtentCheck(const CheckRequest& request, const ExtentFile& extent, CheckReport& report)
      : request_(request),
        extent_(extent),
        map_(*extent.grains),
        tables_(map_.tables()),
        file_size_(extent.storage->size()),
        report_(report) {}

  Result<> Run() {
    std::size_t windows = 0;
    for (std::uint64_t begin = 0; begin < file_size_; begin = next_window_) {
      if (++windows > kMostWindows) {
        return Error(ErrorKind::kLimit, "grains lie too far apart to be checked").In(extent_.storage->name());
      }
      SectorClaims claims(begin, file_size_);
      window_ = begin;
      next_window_ = file_size_;
      PLATTER_CHECK(ClaimHeaders(claims));
      PLATTER_CHECK(WalkTables(claims));
    }
    if (tables_.redundant != 0) PLATTER_CHECK(CompareCopies());
    report_.total_clusters += DivideRoundingUp(tables_.capacity, tables_.grain_size);
    report_.allocated_clusters += allocated_;
    report_.fragmented_clusters += fragmented_;
    if (tables_.compressed) report_.compressed_clusters += allocated_;
    if (stream()) return CheckStream(request_, extent_, allocated_, report_);
    return Done{};
  }

 private:
  // Of 64 GiB, each of which takes a walk through all tables: more than the largest disks have.
  static constexpr std::size_t kMostWindows = 1024;

  // What each pass finds again is told once.
  bool first_pass() const noexcept { return window_ == 0; }

  // The footer's directory stands behind the grains: so do the markers.
  bool stream() const noexcept {
    return tables_.compressed && tables_.markers && extent_.hosted && extent_.hosted->stream_trailer;
  }

  void Find(const std::string& what) {
    ++report_.corruptions;
    request_.log(fmt::format("ERROR {}: {}", extent_.storage->name(), what));
  }

  Result<> ClaimHeaders(SectorClaims& claims) {
    claims.Claim(0, kSectorSize);
    const std::uint64_t directory_bytes = tables_.directory_entries * tables_.entry_size();
    if (extent_.hosted && extent_.hosted->header.descriptor_offset != 0) {
      const SparseHeader& header = extent_.hosted->header;
      Claim(claims, header.descriptor_offset * kSectorSize, header.descriptor_size * kSectorSize, "the descriptor");
    }
    Claim(claims, tables_.directory, directory_bytes, "the grain directory");
    if (tables_.redundant != 0) Claim(claims, tables_.redundant, directory_bytes, "the redundant grain directory");
    return Done{};
  }

  void Claim(SectorClaims& claims, std::uint64_t offset, std::uint64_t length, const std::string& what) {
    // Most of a large file may be a hole that nothing lies in.
    const std::uint64_t window_end = window_ + SectorClaims::kWindowBytes;
    if (CheckedAdd(offset, length).value_or(file_size_) > window_end) {
      next_window_ = std::min(next_window_, AlignDown(std::max(offset, window_end), SectorClaims::kWindowBytes));
    }
    if (claims.Claim(offset, length)) return;
    Find(fmt::format("{} at {:#x} overlaps something else", what, offset));
  }

  Result<> WalkTables(SectorClaims& claims) {
    for (std::uint64_t index = 0; index < tables_.directory_entries; index = PLATTER_TRY(NextTable(index))) {
      for (const bool redundant : {true, false}) {
        if (redundant && tables_.redundant == 0) continue;
        auto table = map_.TableAt(index, redundant);
        if (!table.ok()) {
          PLATTER_CHECK(Skip(std::move(table).error()));
          continue;
        }
        if (table.value() == 0) continue;
        Claim(claims, table.value(), tables_.table_bytes(), fmt::format("grain table {}", index));
        if (!redundant) PLATTER_CHECK(WalkGrains(claims, index, table.value()));
      }
    }
    return Done{};
  }

  // Behind `index`, in either copy of the directory.
  Result<std::uint64_t> NextTable(std::uint64_t index) {
    const std::uint64_t last = tables_.directory_entries - 1;
    const std::uint64_t next = PLATTER_TRY(map_.NextTable(index, last, false));
    if (tables_.redundant == 0) return next;
    const std::uint64_t copied = PLATTER_TRY(map_.NextTable(index, last, true));
    return std::min(next, copied);
  }

  // A damaged entry is a finding; anything else stops the check.
  Result<> Skip(Error error) {
    if (error.kind() != ErrorKind::kCorrupt) return error;
    if (first_pass()) Find(error.Describe());
    return Done{};
  }

  Result<> WalkGrains(SectorClaims& claims, std::uint64_t index, std::uint64_t table) {
    std::uint64_t guest = index * tables_.table_span();
    for (std::uint64_t entry = 0; entry < tables_.table_entries && guest < tables_.capacity; ++entry) {
      auto grain = map_.Decode(table, entry, guest);
      if (!grain.ok()) {
        PLATTER_CHECK(Skip(std::move(grain).error()));
      } else if (grain.value().kind == GrainKind::kUnallocated) {
        const std::uint64_t rest = DivideRoundingUp(tables_.capacity - guest, tables_.grain_size);
        const std::uint64_t most = std::min(tables_.table_entries - entry, rest) - 1;
        const std::uint64_t empty = PLATTER_TRY(map_.EmptyEntries(table, entry + 1, most));
        entry += empty;
        guest += empty * tables_.grain_size;
      } else if (grain.value().kind == GrainKind::kData || grain.value().kind == GrainKind::kCompressed) {
        PLATTER_CHECK(TakeGrain(claims, guest, grain.value()));
      }
      guest += tables_.grain_size;
    }
    return Done{};
  }

  Result<> TakeGrain(SectorClaims& claims, std::uint64_t guest, const GrainRun& grain) {
    std::uint64_t stored = tables_.grain_size;
    if (grain.kind == GrainKind::kCompressed) stored = PLATTER_TRY(StoredBytes(guest, grain.host));
    if (first_pass()) Count(grain.host, stored);
    Claim(claims, grain.host, stored, fmt::format("the grain of guest offset {:#x}", guest));
    return Done{};
  }

  void Count(std::uint64_t host, std::uint64_t stored) {
    if (allocated_ > 0 && host != last_end_) ++fragmented_;
    ++allocated_;
    last_end_ = AlignUp(host + stored, kSectorSize);
    report_.image_end_offset = std::max(report_.image_end_offset, std::min(last_end_, file_size_));
  }

  // Of a compressed grain with its marker; one sector where there are no markers to tell.
  Result<std::uint64_t> StoredBytes(std::uint64_t guest, std::uint64_t host) {
    if (!tables_.markers) return kSectorSize;
    std::array<std::byte, GrainMarkerLayout::kSize> bytes{};
    PLATTER_CHECK(extent_.storage->ReadAt(host, bytes));
    const RecordView<GrainMarkerLayout> marker(bytes);
    const std::uint64_t length = marker.Get<GrainMarkerLayout::kDataBytes>();
    const std::uint64_t lba = marker.Get<GrainMarkerLayout::kLba>();
    const bool fits = FitsWithin(host + GrainMarkerLayout::kSize, length, file_size_);
    if (first_pass() && (lba != guest / kSectorSize || length == 0 || !fits)) {
      Find(fmt::format("the marker at {:#x} does not fit the grain of guest offset {:#x}: sector {}, {} bytes", host,
                       guest, lba, length));
    }
    return fits ? GrainMarkerLayout::kSize + length : GrainMarkerLayout::kSize;
  }

  // Both copies of the tables must say the same, whichever of them is read.
  Result<> CompareCopies() {
    for (std::uint64_t index = 0; index < tables_.directory_entries; index = PLATTER_TRY(NextTable(index))) {
      const auto primary = map_.TableAt(index, false);
      const auto copy = map_.TableAt(index, true);
      if (!primary.ok() || !copy.ok()) continue;  // told already
      if ((primary.value() == 0) != (copy.value() == 0)) {
        Find(fmt::format("grain table {} is in one of the two directories only", index));
      } else if (primary.value() != 0 && !PLATTER_TRY(SameTable(primary.value(), copy.value()))) {
        Find(fmt::format("the two copies of grain table {} differ", index));
      }
    }
    return Done{};
  }

  Result<bool> SameTable(std::uint64_t a, std::uint64_t b) {
    std::vector<std::byte> first(tables_.table_bytes());
    std::vector<std::byte> second(tables_.table_bytes());
    PLATTER_CHECK(extent_.storage->ReadAt(a, first));
    PLATTER_CHECK(extent_.storage->ReadAt(b, second));
    return first == second;
  }

  const CheckRequest& request_;
  const ExtentFile& extent_;
  GrainMap& map_;
  const GrainTables& tables_;
  const std::uint64_t file_size_;
  CheckReport& report_;
  std::uint64_t window_ = 0;       // host bytes: where the one at hand begins
  std::uint64_t next_window_ = 0;  // the first behind it that something lies in
  std::uint64_t allocated_ = 0;
  std::uint64_t fragmented_ = 0;
  std::uint64_t last_end_ = 0;
};

}  // namespace

Result<> CheckExtent(const CheckRequest& request, const ExtentFile& extent, CheckReport& report) {
  return ExtentCheck(request, extent, report).Run();
}

}  // namespace platter::vmdk
