// What every Storage that cannot be written has in common.
#pragma once

#include "formats/core/storage.h"

namespace platter {

class ReadOnlyStorage : public Storage {
 public:
  using Storage::Storage;
  bool writable() const noexcept override { return false; }

 protected:
  // Storage's public calls refuse before these are reached.
  Result<> DoWrite(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/) override { return Refuse(); }
  Result<> DoResize(std::uint64_t /*size*/) override { return Refuse(); }
  Result<> DoPunch(std::uint64_t /*offset*/, std::uint64_t /*length*/) override { return Refuse(); }
  Result<> DoAllocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) override { return Refuse(); }
  Result<> DoSync() override { return Done{}; }

 private:
  Error Refuse() const { return Error(ErrorKind::kInvalid, "file is open for reading only").In(name()); }
};

}  // namespace platter
