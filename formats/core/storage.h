// Storage: a host file, a block device, a memory buffer or a slice of another Storage, as positional bytes.
//
// Offsets and lengths are host bytes. The public calls check the request once; the Do* calls of a kind never re-check.
// Thread rule: ReadAt, WriteAt and DataMap may run on many threads at once as long as no two writes overlap and
// nothing is read while it is written; Resize, Punch, Allocate and Sync are called by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "formats/core/result.h"

namespace platter {

// A run of host bytes of one kind, from the offset that was asked about.
struct DataRun {
  std::uint64_t length = 0;  // at least 1 below the end of the file
  bool data = true;          // false: a hole, reads as zero
};

// Names one host file however it is spelt; equal for two paths to the same inode.
struct StorageIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const StorageIdentity&, const StorageIdentity&) = default;
};

class Storage {
 public:
  explicit Storage(std::string name) : name_(std::move(name)) {}
  virtual ~Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // The file's name as the user gave it; for messages, and for resolving relative references.
  const std::string& name() const noexcept { return name_; }

  // Bytes; grows with WriteAt and Resize.
  virtual std::uint64_t size() const noexcept = 0;

  // All of `out`, or an error: kIo from the host, kOutOfRange when the request leaves the file, kIo with a message of
  // its own when the file turns out shorter than size() (it shrank while it was read).
  Result<> ReadAt(std::uint64_t offset, std::span<std::byte> out);
  // As ReadAt for the part below size(); the rest of `out` is filled with zeros.
  Result<> ReadPadded(std::uint64_t offset, std::span<std::byte> out);
  // All of `bytes`, growing the file when they reach past its end. A failed write may have stored a part.
  Result<> WriteAt(std::uint64_t offset, std::span<const std::byte> bytes);
  // Sets size(); new bytes read as zero.
  Result<> Resize(std::uint64_t size);
  // Makes the range read as zero, giving its space back where the host can. Grows the file when the range reaches past
  // its end.
  Result<> Punch(std::uint64_t offset, std::uint64_t length);
  // Reserves space for the range, so that writing it cannot fail for want of space; bytes past the old end read as
  // zero.
  Result<> Allocate(std::uint64_t offset, std::uint64_t length);
  // The run at `offset`, which must lie below size(). Data where the host cannot tell.
  Result<DataRun> DataMap(std::uint64_t offset);
  // Lets the host copy `length` bytes of `source` to `offset` without a trip through our memory. False when it cannot:
  // what the range then holds is undefined until it is written. Thread rule: as WriteAt.
  virtual bool CopyInHost(const Storage& source, std::uint64_t source_offset, std::uint64_t offset,
                          std::uint64_t length);
  // Lets the host make `length` bytes at `offset` share the blocks that `source` has at `source_offset` (a reflink): no
  // data is written until one of the two changes. Offsets and length are multiples of ReflinkUnit(source). False when
  // it cannot; the range then holds what it held. Thread rule: as WriteAt.
  virtual bool Reflink(const Storage& source, std::uint64_t source_offset, std::uint64_t offset, std::uint64_t length);
  // Bytes; 0 where the host cannot make this file share blocks with `source`.
  virtual std::uint64_t ReflinkUnit(const Storage& /*source*/) const { return 0; }
  // Everything written so far survives a power failure once this succeeds.
  Result<> Sync();

  // Space that the host says it holds for the file, in bytes (st_blocks); size() where nobody knows.
  virtual std::uint64_t allocated_size() const noexcept { return size(); }
  // An open descriptor for in-kernel copies, or -1. Owned by the Storage.
  virtual int fd() const noexcept { return -1; }
  virtual bool writable() const noexcept = 0;
  // A device keeps its size, and what it held before does not read as zero.
  virtual bool is_device() const noexcept { return false; }
  // Takes every byte once, in order, and gives none back (StreamStorage). Zeros have to be written, too.
  virtual bool is_stream() const noexcept { return false; }
  virtual std::optional<StorageIdentity> identity() const noexcept { return std::nullopt; }

 protected:
  // Within size(); `out` not empty.
  virtual Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) = 0;
  // `bytes` not empty, end does not wrap.
  virtual Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual Result<> DoResize(std::uint64_t size) = 0;
  virtual Result<> DoPunch(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<DataRun> DoDataMap(std::uint64_t offset) = 0;
  virtual Result<> DoSync() = 0;

 private:
  Result<> CheckWritable() const;

  std::string name_;
};

}  // namespace platter
