#include "formats/iso/udf_extents.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "formats/core/checked.h"

namespace platter::iso {
namespace {

using udf::AllocationForm;
using udf::ExtentType;

constexpr std::size_t kMostPieces = 1 << 20;  // 16 MiB of them; a file in more fragments is refused
constexpr int kMostContinuations = 4096;

struct Allocation {
  ExtentType type = ExtentType::kRecorded;
  std::uint32_t length = 0;  // bytes
  UdfAddress address;
};

class ExtentReader {
 public:
  ExtentReader(const std::shared_ptr<Storage>& storage, const UdfVolume& volume, const UdfContent& content,
               const std::string& name)
      : storage_(*storage), volume_(volume), content_(content), file_(std::make_shared<PiecesStorage>(name, storage)) {}

  Result<std::shared_ptr<PiecesStorage>> Read() {
    std::vector<std::byte> more;
    auto descriptors = content_.descriptors;
    for (int count = 0;; ++count) {
      next_.reset();
      PLATTER_CHECK(Take(descriptors));
      if (!next_) break;
      if (count >= kMostContinuations) return Corrupt("allocation descriptors never end", "continuation");
      more = PLATTER_TRY(ReadContinuation(*next_));
      descriptors = std::span<const std::byte>(more).subspan(udf::AllocationExtentLayout::kSize);
    }
    if (file_->size() < content_.size) {
      return Corrupt("a file's allocation descriptors cover less than its size", "information length")
          .Found(file_->size())
          .Allowed(std::to_string(content_.size));
    }
    return std::move(file_);
  }

 private:
  Error Corrupt(const char* what, const char* field) const {
    return Error(ErrorKind::kCorrupt, what).In(storage_.name()).At("UDF file entry of " + file_->name(), field);
  }

  Allocation Decode(std::span<const std::byte> bytes) const {
    const std::uint32_t length = udf::ShortAllocation::kLength.Decode(bytes.data());
    Allocation allocation;
    allocation.type = static_cast<ExtentType>(length >> 30);
    allocation.length = length & udf::kLengthMask;
    allocation.address.block = udf::ShortAllocation::kBlock.Decode(bytes.data());
    allocation.address.partition = content_.form == AllocationForm::kLong
                                       ? udf::LongAllocation::kPartition.Decode(bytes.data())
                                       : content_.partition;
    return allocation;
  }

  Result<> Take(std::span<const std::byte> descriptors) {
    const std::size_t size =
        content_.form == AllocationForm::kLong ? udf::LongAllocation::kSize : udf::ShortAllocation::kSize;
    for (; descriptors.size() >= size; descriptors = descriptors.subspan(size)) {
      const Allocation allocation = Decode(descriptors);
      if (allocation.length == 0) return Done{};
      if (allocation.type == ExtentType::kMoreDescriptors) {
        next_ = allocation;
        return Done{};
      }
      PLATTER_CHECK(Add(allocation));
    }
    return Done{};
  }

  Result<> Add(const Allocation& allocation) {
    // Descriptors may cover space behind the end of the file.
    const std::uint64_t length = std::min<std::uint64_t>(allocation.length, content_.size - file_->size());
    if (++pieces_ > kMostPieces) {
      return Error(ErrorKind::kLimit, "a file in too many pieces")
          .In(storage_.name())
          .At("UDF file entry", file_->name());
    }
    if (allocation.type != ExtentType::kRecorded) {
      file_->Add({length, std::nullopt});
      return Done{};
    }
    file_->Add({length, PLATTER_TRY(volume_.HostOffset(allocation.address, length))});
    return Done{};
  }

  Result<std::vector<std::byte>> ReadContinuation(const Allocation& next) {
    const std::size_t length = std::min<std::size_t>(next.length, volume_.block_size);
    if (length < udf::AllocationExtentLayout::kSize) return Corrupt("a continuation is too short", "continuation");
    std::vector<std::byte> bytes(volume_.block_size);
    const std::uint64_t offset = PLATTER_TRY(volume_.HostOffset(next.address, bytes.size()));
    if (!FitsWithin(offset, bytes.size(), storage_.size())) {
      return Corrupt("a continuation lies outside the file", "continuation");
    }
    PLATTER_CHECK(storage_.ReadAt(offset, bytes));
    PLATTER_CHECK(CheckUdfTag(bytes, udf::TagId::kAllocationExtent, next.address.block, offset));
    const std::size_t used = udf::AllocationExtentLayout::kLength.Decode(bytes.data());
    bytes.resize(udf::AllocationExtentLayout::kSize +
                 std::min(used, bytes.size() - udf::AllocationExtentLayout::kSize));
    return bytes;
  }

  Storage& storage_;
  const UdfVolume& volume_;
  const UdfContent& content_;
  std::shared_ptr<PiecesStorage> file_;
  std::optional<Allocation> next_;
  std::size_t pieces_ = 0;
};

}  // namespace

Result<std::shared_ptr<PiecesStorage>> ReadUdfExtents(const std::shared_ptr<Storage>& storage, const UdfVolume& volume,
                                                      const UdfContent& content, const std::string& name) {
  if (content.form == AllocationForm::kExtended) {
    return Error(ErrorKind::kUnsupported, "extended allocation descriptors are not supported")
        .In(storage->name())
        .At("UDF file entry of " + name, "icb_flags");
  }
  if (content.form != AllocationForm::kShort && content.form != AllocationForm::kLong) {
    return Error(ErrorKind::kCorrupt, "allocation descriptors of no known form")
        .In(storage->name())
        .At("UDF file entry of " + name, "icb_flags")
        .Found(static_cast<unsigned>(content.form))
        .Allowed("0, 1, 3");
  }
  return ExtentReader(storage, volume, content, name).Read();
}

}  // namespace platter::iso
