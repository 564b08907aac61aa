#include "formats/ploop/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/number_set.h"
#include "formats/ploop/bat.h"
#include "formats/ploop/extension.h"

namespace platter::ploop {
namespace {

class TableCheck {
 public:
  TableCheck(const CheckRequest& request, const Header& header, Repair repair, bool above_another)
      : request_(request),
        storage_(*request.storage),
        header_(header),
        repair_(repair),
        drops_entries_(repair == Repair::kAll && !above_another),
        file_size_(storage_.size()) {}

  Result<CheckReport> Run() {
    report_.total_clusters = header_.entries;
    PLATTER_CHECK(CheckInUse());
    PLATTER_CHECK(ForEachEntry(storage_, header_,
                               [&](std::uint64_t cluster, std::uint32_t entry) { return Visit(cluster, entry); }));
    report_.image_end_offset = last_ == 0 ? header_.data_offset : last_ + header_.cluster_size;
    PLATTER_CHECK(CheckTail());
    if (report_.corruptions_fixed + report_.leaks_fixed != 0) PLATTER_CHECK(storage_.Sync());
    return report_;
  }

 private:
  bool ours() const noexcept { return request_.context.dialect == Dialect::kPlatter; }

  void Complain(bool repaired, const std::string& what) {
    if (repaired) {
      ++report_.corruptions_fixed;
    } else {
      ++report_.corruptions;
    }
    request_.log(fmt::format("{} {}", repaired ? "Repairing" : "ERROR", what));
  }

  Result<> WriteWord(std::uint64_t offset, std::uint32_t value) {
    std::vector<std::byte> field(sizeof(value));
    StoreLe(field.data(), value);
    return storage_.WriteAt(offset, field);
  }

  Result<> CheckInUse() {
    if (!header_.open()) return Done{};
    Complain(repair_ == Repair::kAll, "image was not closed correctly");
    return repair_ == Repair::kAll ? WriteWord(HeaderLayout::kInUse.offset, 0) : Done{};
  }

  Result<> Visit(std::uint64_t cluster, std::uint32_t entry) {
    const std::uint64_t host = header_.HostOffset(entry);
    if (host > file_size_) {
      ++wrong_entries_;
      Complain(drops_entries_, fmt::format("cluster {} is outside image", cluster));
      if (drops_entries_) return WriteWord(header_.EntryOffset(cluster), 0);
    } else if (ours()) {
      PLATTER_CHECK(CheckPlace(cluster, entry));
    }
    last_ = std::max(last_, host);
    ++report_.allocated_clusters;
    const bool follows = cluster == previous_cluster_ + 1 && previous_host_ != 0;
    if (follows && previous_host_ + header_.cluster_size != host) ++report_.fragmented_clusters;
    previous_cluster_ = cluster;
    previous_host_ = host;
    return Done{};
  }

  Result<> CheckPlace(std::uint64_t cluster, std::uint32_t entry) {
    if (!CheckEntry(header_, cluster, entry, file_size_).ok()) {
      ++wrong_entries_;
      Complain(false, fmt::format("cluster {} is misplaced or cut short", cluster));
      return Done{};
    }
    if (!seen_.Add(PlaceOf(header_, entry))) {
      ++wrong_entries_;
      Complain(false, fmt::format("cluster {} shares its place with another", cluster));
    }
    if (seen_.memory() <= request_.context.limits.metadata_bytes) return Done{};
    return Error(ErrorKind::kLimit, "block allocation table is too large to be checked").In(storage_.name());
  }

  Result<> CheckTail() {
    const Extension extension = PLATTER_TRY(ReadExtension(storage_, header_, request_.context.limits));
    const std::uint64_t end = std::max(report_.image_end_offset, extension.end);
    if (file_size_ <= end || storage_.is_device()) return Done{};
    const std::uint64_t leaks = DivideRoundingUp(file_size_ - end, header_.cluster_size);
    // What nobody refers to may be what a wrong entry meant, or a section of the extension that we do not know.
    const bool may_be_used = wrong_entries_ != 0 || !extension.unknown.empty();
    const bool repaired = repair_ != Repair::kNothing && !may_be_used;
    request_.log(
        fmt::format("{} space leaked at the end of the image {}", repaired ? "Repairing" : "ERROR", file_size_ - end));
    if (!repaired) {
      report_.leaks += leaks;
      return Done{};
    }
    report_.leaks_fixed += leaks;
    return storage_.Resize(end);
  }

  const CheckRequest& request_;
  Storage& storage_;
  const Header& header_;
  Repair repair_;
  bool drops_entries_;
  std::uint64_t file_size_;
  NumberSet seen_;          // places
  std::uint64_t last_ = 0;  // host bytes: where the last cluster begins
  std::uint64_t wrong_entries_ = 0;
  std::uint64_t previous_cluster_ = 0;
  std::uint64_t previous_host_ = 0;
  CheckReport report_;
};

Result<CheckReport> RunPass(const CheckRequest& request, Repair repair, bool above_another) {
  const Header header = PLATTER_TRY(ReadHeader(*request.storage));
  return TableCheck(request, header, repair, above_another).Run();
}

}  // namespace

Result<CheckReport> CheckFile(const CheckRequest& request, bool above_another) {
  const CheckReport first = PLATTER_TRY(RunPass(request, request.repair, above_another));
  if (first.corruptions_fixed == 0 && first.leaks_fixed == 0) return first;
  CheckReport second = PLATTER_TRY(RunPass(request, Repair::kNothing, above_another));
  second.corruptions_fixed = first.corruptions_fixed;
  second.leaks_fixed = first.leaks_fixed;
  return second;
}

}  // namespace platter::ploop
