// A pipe as a file that is read once, front to back: what came by last is held for readers who go back a little, such
// as the threads of a copy.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "formats/core/read_only_storage.h"

namespace platter {

// A read at or behind the position waits for its bytes. One that goes back further than kHeld, or so far ahead that
// what lies between could not be held, is kUnsupported: it would take the bytes from somebody else. Safe from many
// threads. Holds kHeld bytes.
class ForwardStorage final : public ReadOnlyStorage {
 public:
  static constexpr std::uint64_t kHeld = std::uint64_t{64} << 20;
  // size(): nobody knows a pipe's.
  static constexpr std::uint64_t kEndless = std::uint64_t{1} << 62;

  // Borrows `fd`, which is open for reading. It is read where it stands, whatever it is.
  ForwardStorage(std::string name, int fd, const std::atomic<bool>* cancel = nullptr)
      : ReadOnlyStorage(std::move(name)), fd_(fd), cancel_(cancel) {}

  std::uint64_t size() const noexcept override { return kEndless; }
  std::uint64_t allocated_size() const noexcept override { return 0; }
  // Host bytes that have been taken out of the pipe.
  std::uint64_t position() const;

  // As ReadAt, of what the pipe has: fewer bytes where it ends. kCancelled where a signal arrives.
  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out);
  // Passes over bytes that nobody is going to ask for, however many. kIo where the pipe ends before.
  Result<> SkipTo(std::uint64_t offset);
  // Takes everything out of the pipe, to its end: whoever writes it is not to be stopped in the middle.
  Result<> Drain();

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{kEndless - offset, true}; }

 private:
  // Takes bytes up to `offset` out of the pipe, or up to its end. The caller has the lock, as of those below.
  Result<> Advance(std::uint64_t offset);
  Result<> CheckOrder(std::uint64_t offset, std::uint64_t length) const;
  Error EndedEarly(std::uint64_t wanted) const;
  void CopyHeld(std::uint64_t offset, std::span<std::byte> out) const;
  // What is there at once, of `out`; 0 at the end.
  Result<std::size_t> Receive(std::span<std::byte> out) const;

  int fd_;
  const std::atomic<bool>* cancel_;
  mutable std::mutex mutex_;
  std::vector<std::byte> ring_;  // byte p of the pipe stands at p % kHeld; grows until it is full
  std::uint64_t position_ = 0;
};

// The pipe that `storage` is, or is a slice of, of a slice and so on; null for any other file.
const ForwardStorage* PipeOf(const Storage& storage) noexcept;

}  // namespace platter
