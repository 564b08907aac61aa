#include <fmt/format.h>

#include <array>
#include <string>

#include "formats/core/checked.h"
#include "formats/vmdk/extent_check.h"

namespace platter::vmdk {
namespace {

class StreamCheck {
 public:
  StreamCheck(const CheckRequest& request, const ExtentFile& extent, CheckReport& report)
      : request_(request), extent_(extent), file_size_(AlignUp(extent.storage->size(), kSectorSize)), report_(report) {}

  Result<> Run(std::uint64_t referenced) {
    std::uint64_t at = extent_.hosted->header.overhead * kSectorSize;
    while (at != kDone) at = PLATTER_TRY(Next(at));
    if (damaged_ || grains_ == referenced) return Done{};
    Find(fmt::format("the stream has {} grains, its tables lead to {}", grains_, referenced));
    return Done{};
  }

 private:
  static constexpr std::uint64_t kDone = ~std::uint64_t{0};

  void Find(const std::string& what) {
    ++report_.corruptions;
    request_.log(fmt::format("ERROR {}: {}", extent_.storage->name(), what));
  }

  std::uint64_t Stop(const std::string& what) {
    Find(what);
    damaged_ = true;
    return kDone;
  }

  // Where the marker behind the one at `at` stands, or kDone.
  Result<std::uint64_t> Next(std::uint64_t at) {
    if (!FitsWithin(at, kSectorSize, file_size_)) return Stop("the stream has no end-of-stream marker");
    std::array<std::byte, MetadataMarkerLayout::kSize> bytes{};
    PLATTER_CHECK(extent_.storage->ReadPadded(at, bytes));
    const RecordView<MetadataMarkerLayout> marker(bytes);
    const std::uint64_t value = marker.Get<MetadataMarkerLayout::kSectors>();
    const std::uint64_t length = marker.Get<MetadataMarkerLayout::kDataBytes>();
    if (length != 0) return NextOfGrain(at, value, length);
    const auto type = marker.Get<MetadataMarkerLayout::kType>();
    switch (static_cast<Marker>(type)) {
      case Marker::kEndOfStream:
        if (at + kSectorSize == file_size_) return kDone;
        return Stop(fmt::format("the stream ends at {:#x}, before the file does", at));
      case Marker::kGrainTable:
      case Marker::kGrainDirectory:
        if (FitsWithin(value, 1, file_size_ / kSectorSize)) return at + (1 + value) * kSectorSize;
        break;
      case Marker::kFooter:
        return at + 2 * kSectorSize;
    }
    return Stop(fmt::format("no kind of marker at {:#x}: type {}, {} sectors", at, type, value));
  }

  Result<std::uint64_t> NextOfGrain(std::uint64_t at, std::uint64_t lba, std::uint64_t length) {
    ++grains_;
    if (grains_ > 1 && lba <= last_lba_) {
      Find(fmt::format("grains are not in order: sector {} at {:#x} follows sector {}", lba, at, last_lba_));
    }
    last_lba_ = lba;
    return AlignUp(at + GrainMarkerLayout::kSize + length, kSectorSize);
  }

  const CheckRequest& request_;
  const ExtentFile& extent_;
  const std::uint64_t file_size_;  // whole sectors
  CheckReport& report_;
  std::uint64_t grains_ = 0;
  std::uint64_t last_lba_ = 0;
  bool damaged_ = false;
};

}  // namespace

Result<> CheckStream(const CheckRequest& request, const ExtentFile& extent, std::uint64_t referenced,
                     CheckReport& report) {
  return StreamCheck(request, extent, report).Run(referenced);
}

}  // namespace platter::vmdk
