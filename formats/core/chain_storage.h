// A guest disk seen as a file: for what reads files and is to look inside an image (partition tables, file systems).
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "formats/core/chain.h"
#include "formats/core/storage.h"

namespace platter {

// For reading only. Keeps the chain's images open. Thread-safe as the chain is. A hole is what reads as zero by the
// map.
class ChainStorage : public Storage {
 public:
  ChainStorage(std::string name, Chain chain) : Storage(std::move(name)), chain_(std::move(chain)) {}

  std::uint64_t size() const noexcept override { return chain_.virtual_size(); }
  bool writable() const noexcept override { return false; }
  const Chain& chain() const noexcept { return chain_; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override { return chain_.ReadAt(offset, out); }
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return Done{}; }

 private:
  Chain chain_;
};

}  // namespace platter
