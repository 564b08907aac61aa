#include "formats/vdi/check.h"

#include <fmt/format.h>

#include "formats/core/checked.h"
#include "formats/core/number_set.h"
#include "formats/vdi/reader.h"
#include "formats/vdi/repeated_places.h"

namespace platter::vdi {
namespace {

class MapCheck {
 public:
  explicit MapCheck(const CheckRequest& request, const Header& header)
      : request_(request), header_(header), file_size_(request.storage->size()) {}

  Result<CheckReport> Run() {
    PLATTER_CHECK(ForEachEntry(*request_.storage, header_, [&](std::uint64_t block, std::uint32_t entry) {
      return entry >= kDiscarded ? Result<>(Done{}) : CheckEntry(block, entry);
    }));
    if (allocated_ != header_.allocated_blocks) {
      Complain(
          fmt::format("ERROR: allocated blocks mismatch, is {}, should be {}", allocated_, header_.allocated_blocks));
    }
    return report_;
  }

 private:
  void Complain(const std::string& line) {
    ++report_.corruptions;
    request_.log(line);
  }

  Result<> CheckEntry(std::uint64_t block, std::uint32_t entry) {
    if (entry >= header_.blocks) {
      Complain(fmt::format("ERROR: block index {} too large, is {}", block, entry));
      return Done{};
    }
    ++allocated_;
    if (!seen_.Add(entry)) Complain(fmt::format("ERROR: block index {} also used by {}", entry, entry));
    if (seen_.memory() > request_.context.limits.metadata_bytes) {
      return Error(ErrorKind::kLimit, "block map is too large to be checked").In(request_.storage->name());
    }
    const bool inside = FitsWithin(header_.HostOffset(entry), header_.GuestBytes(block), file_size_);
    if (!inside && request_.context.dialect == Dialect::kPlatter) {
      Complain(fmt::format("ERROR: block {} at offset {:#x} lies outside the file", block, header_.HostOffset(entry)));
    }
    return Done{};
  }

  const CheckRequest& request_;
  const Header& header_;
  std::uint64_t file_size_;
  NumberSet seen_;
  std::uint64_t allocated_ = 0;
  CheckReport report_;
};

}  // namespace

Result<CheckReport> Check(const CheckRequest& request) {
  if (request.repair != Repair::kNothing) {
    return Error(ErrorKind::kUnsupported, "This image format does not support checks").In(request.storage->name());
  }
  const Header header = PLATTER_TRY(ReadHeader(*request.storage, request.context.dialect));
  return MapCheck(request, header).Run();
}

}  // namespace platter::vdi
