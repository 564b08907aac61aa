#include "formats/core/chain_storage.h"

namespace platter {
namespace {

Error ReadOnly(const Storage& storage) {
  return Error(ErrorKind::kInvalid, "a guest disk that is open for reading cannot be written").In(storage.name());
}

}  // namespace

Result<> ChainStorage::DoWrite(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/) {
  return ReadOnly(*this);
}

Result<> ChainStorage::DoResize(std::uint64_t /*size*/) { return ReadOnly(*this); }

Result<> ChainStorage::DoPunch(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return ReadOnly(*this); }

Result<> ChainStorage::DoAllocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return ReadOnly(*this); }

Result<DataRun> ChainStorage::DoDataMap(std::uint64_t offset) {
  const Extent extent = PLATTER_TRY(chain_.Map(offset, size() - offset));
  return DataRun{.length = extent.length, .data = extent.status == BlockStatus::kData};
}

}  // namespace platter
