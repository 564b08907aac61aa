#include "formats/qcow2/copied_flags.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "formats/qcow2/l2_entry.h"
#include "formats/qcow2/l2_runs.h"
#include "formats/qcow2/overlap.h"
#include "formats/qcow2/seen_tables.h"

namespace platter::qcow2 {
namespace {

class CopiedFlags {
 public:
  CopiedFlags(CheckState& state, bool repair) : state_(state), repair_(repair), seen_(state.header.cluster_bits) {}

  Result<> Run() {
    const Header& header = state_.header;
    const std::uint64_t per_read = header.cluster_size() / kL1EntrySize;
    std::vector<std::byte> part;
    for (std::uint64_t first = 0; first < header.l1_size; first += per_read) {
      const std::uint64_t count = std::min<std::uint64_t>(per_read, header.l1_size - first);
      const std::uint64_t at = header.l1_table_offset + first * kL1EntrySize;
      const auto bytes = PLATTER_TRY(state_.tables.Read(at, count * kL1EntrySize));
      part.assign(bytes.begin(), bytes.end());
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto entry = LoadBe<std::uint64_t>(part.data() + i * kL1EntrySize);
        if ((entry & kOffsetMask) != 0) PLATTER_CHECK(CheckL1Entry(first + i, entry));
      }
    }
    return Done{};
  }

 private:
  // Whether the entry's flag contradicts the cluster's refcount. A refcount that cannot be known contradicts nothing:
  // the comparison of refcounts has reported it.
  Result<bool> Differs(std::uint64_t offset, std::uint64_t entry) {
    auto refcount = state_.stored.Get(state_.cluster_of(offset));
    if (!refcount.ok() && refcount.error().kind() == ErrorKind::kCorrupt) return false;
    refcount_ = PLATTER_TRY(std::move(refcount));
    return (refcount_ == 1) != ((entry & kCopied) != 0);
  }

  Result<> CheckL1Entry(std::uint64_t index, std::uint64_t entry) {
    if (PLATTER_TRY(Differs(entry & kOffsetMask, entry))) {
      state_.Corruption("{} OFLAG_COPIED L2 cluster: l1_index={} l1_entry={:x} refcount={}", Verb(repair_), index,
                        entry, refcount_);
      if (repair_) PLATTER_CHECK(RepairL1Entry(index, entry ^ kCopied));
    }
    return CheckL2(entry & kOffsetMask);
  }

  Result<> RepairL1Entry(std::uint64_t index, std::uint64_t entry) {
    const Header& header = state_.header;
    if (!l1_is_safe_) PLATTER_CHECK(CheckL1Write(state_));
    l1_is_safe_ = true;
    std::byte bytes[kL1EntrySize];
    StoreBe(bytes, entry);
    PLATTER_CHECK(state_.tables.Write(header.l1_table_offset + index * kL1EntrySize, bytes));
    CountRepaired(1);
    return Done{};
  }

  Result<> CheckL2(std::uint64_t offset) {
    if (!seen_.FirstTime(offset)) {
      if (const auto found = wrong_.find(offset); found != wrong_.end()) state_.report.corruptions += found->second;
      return Done{};
    }
    if (PLATTER_TRY(state_.tables.KnownZero(offset, state_.header.cluster_size()))) return Done{};
    table_.resize(state_.header.cluster_size());
    PLATTER_CHECK(state_.tables.ReadOnce(offset, table_));
    std::uint64_t wrong = 0;
    const L2Runs runs(state_.header, table_);
    repairs_table_ = repair_ && !runs.HasAnyOf(state_.l2_reserved());
    for (std::uint64_t i = runs.SkipUnused(0); i < state_.header.l2_entries(); i = runs.SkipUnused(i)) {
      const std::uint64_t sound = PLATTER_TRY(SoundRun(runs, i));
      if (sound == 0) PLATTER_CHECK(CheckL2Entry(i, wrong));
      i += std::max<std::uint64_t>(sound, 1);
    }
    if (wrong == 0) return Done{};
    if (repairs_table_) return RepairL2(offset, wrong);
    wrong_[offset] = wrong;
    return Done{};
  }

  // How many of the entries from `index` on are seen to be right by one look at the counts of the clusters that they
  // name, which follow each other on the host; 0: not even the first.
  Result<std::uint64_t> SoundRun(const L2Runs& runs, std::uint64_t index) {
    const Header& header = state_.header;
    const L2Entry entry = L2Entry::Decode(header, table_, index);
    if (header.has_data_file() || header.refcount_order != 4 || entry.kind(header) != L2Entry::Kind::kAllocated) {
      return std::uint64_t{0};
    }
    const std::uint64_t per_block = state_.stored.clusters_per_block();
    const std::uint64_t cluster = state_.cluster_of(entry.host_offset());
    const std::uint64_t run = runs.Contiguous(index, per_block - cluster % per_block);
    if (run == 0) return std::uint64_t{0};
    const auto block = PLATTER_TRY(state_.stored.Block(cluster));
    if (block.empty()) return std::uint64_t{0};
    return Agreeing(block.subspan(cluster % per_block * sizeof(std::uint16_t), run * sizeof(std::uint16_t)),
                    entry.copied());
  }

  // How many of the 16-bit counts, from the first on, are one where the flag is set, and not one where it is not.
  static std::uint64_t Agreeing(std::span<const std::byte> counts, bool copied) noexcept {
    constexpr std::size_t kAtOnce = 32;
    const std::uint16_t one = ToOrder<std::endian::big>(std::uint16_t{1});
    const std::uint64_t size = counts.size() / sizeof(one);
    std::uint64_t done = 0;
    for (std::uint16_t some[kAtOnce]; done + kAtOnce <= size; done += kAtOnce) {
      std::memcpy(some, counts.data() + done * sizeof(one), sizeof(some));
      std::uint16_t contradicting = 0;
      for (const std::uint16_t count : some) contradicting |= static_cast<std::uint16_t>((count == one) != copied);
      if (contradicting != 0) break;
    }
    while (done < size && (LoadBe<std::uint16_t>(counts.data() + done * sizeof(one)) == 1) == copied) ++done;
    return done;
  }

  Result<> CheckL2Entry(std::uint64_t index, std::uint64_t& wrong) {
    L2Entry entry = L2Entry::Decode(state_.header, table_, index);
    if (entry.descriptor == 0 || entry.kind(state_.header) != L2Entry::Kind::kAllocated) return Done{};
    if (state_.header.has_data_file()) {
      refcount_ = 1;  // nobody else refers to an external data file
      if (entry.copied()) return Done{};
    } else if (!PLATTER_TRY(Differs(entry.host_offset(), entry.descriptor))) {
      return Done{};
    }
    ++wrong;
    state_.Corruption("{} OFLAG_COPIED data cluster: l2_entry={:x} refcount={}", Verb(repairs_table_), entry.descriptor,
                      refcount_);
    entry.descriptor ^= kCopied;
    entry.Encode(state_.header, table_, index);
    return Done{};
  }

  Result<> RepairL2(std::uint64_t offset, std::uint64_t count) {
    if (!metadata_) metadata_.emplace(state_);
    PLATTER_CHECK(metadata_->CheckWrite("L2 table", offset, state_.header.cluster_size()));
    PLATTER_CHECK(state_.tables.Write(offset, table_));
    CountRepaired(count);
    return Done{};
  }

  void CountRepaired(std::uint64_t count) {
    state_.report.corruptions -= count;
    state_.report.corruptions_fixed += count;
  }

  static const char* Verb(bool repairs) noexcept { return repairs ? "Repairing" : "ERROR"; }

  CheckState& state_;
  bool repair_;
  bool repairs_table_ = false;  // whether the L2 table at hand is
  SeenTables seen_;
  bool l1_is_safe_ = false;
  std::optional<MetadataRanges> metadata_;
  std::unordered_map<std::uint64_t, std::uint64_t> wrong_;  // flags by L2 table, where any were left
  std::uint64_t refcount_ = 0;
  std::vector<std::byte> table_;
};

}  // namespace

Result<> CheckCopiedFlags(CheckState& state, bool repair) { return CopiedFlags(state, repair).Run(); }

}  // namespace platter::qcow2
