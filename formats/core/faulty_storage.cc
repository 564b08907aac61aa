#include "formats/core/faulty_storage.h"

#include <cerrno>

namespace platter {

FaultyStorage::FaultyStorage(std::shared_ptr<Storage> base, FaultPlan plan)
    : Storage(base->name()), base_(std::move(base)), plan_(plan) {}

Error FaultyStorage::Fault(const char* activity) const { return Error::FromErrno(plan_.os_error, activity).In(name()); }

Result<> FaultyStorage::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  if (reads_.fetch_add(1) == plan_.fail_read) return Fault("read failed");
  if (offset + out.size() > plan_.shrink_to) return Error(ErrorKind::kIo, "file shrank while it was read").In(name());
  return base_->ReadAt(offset, out);
}

Result<> FaultyStorage::AdmitWrite(std::uint64_t call, std::uint64_t end) {
  if (call == plan_.fail_write || call >= plan_.crash_before_write) return Fault("write failed");
  if (end > plan_.capacity) return Error::FromErrno(ENOSPC, "write failed").In(name());
  return Done{};
}

Result<> FaultyStorage::DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::uint64_t call = writes_.fetch_add(1);
  if (call == plan_.torn_write) {
    PLATTER_CHECK(base_->WriteAt(offset, bytes.first(bytes.size() / 2)));
    return Fault("write failed");
  }
  PLATTER_CHECK(AdmitWrite(call, offset + bytes.size()));
  return base_->WriteAt(offset, bytes);
}

Result<> FaultyStorage::DoResize(std::uint64_t size) {
  PLATTER_CHECK(AdmitWrite(writes_.fetch_add(1), 0));
  return base_->Resize(size);
}

Result<> FaultyStorage::DoPunch(std::uint64_t offset, std::uint64_t length) {
  PLATTER_CHECK(AdmitWrite(writes_.fetch_add(1), 0));
  return base_->Punch(offset, length);
}

Result<> FaultyStorage::DoAllocate(std::uint64_t offset, std::uint64_t length) {
  PLATTER_CHECK(AdmitWrite(writes_.fetch_add(1), offset + length));
  return base_->Allocate(offset, length);
}

Result<DataRun> FaultyStorage::DoDataMap(std::uint64_t offset) { return base_->DataMap(offset); }

Result<> FaultyStorage::DoSync() {
  if (syncs_.fetch_add(1) == plan_.fail_sync) return Fault("sync failed");
  return base_->Sync();
}

}  // namespace platter
