// A pipe, FIFO, socket or other sink that takes bytes in order only, as Storage: what a writer may call that builds its
// image in one pass.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "formats/core/storage.h"

namespace platter {

// A write at the position goes out; one further ahead waits until other threads have written what is before it; one
// behind is kUnsupported. So no thread may wait here for bytes that nobody is going to write: every batch that a writer
// has placed is stored, lowest first if need be. The first write that fails wakes all who wait, with its error.
//
// Punch and Resize write zeros. Reading and Allocate are kUnsupported. Sync does nothing:
// what becomes of the bytes is the reader's affair. A reader that goes away is kIo with EPIPE; the process ignores
// SIGPIPE.
class StreamStorage : public Storage {
 public:
  // True for what Open takes: FIFOs, sockets and character devices, by whatever name, and a file that is open as one of
  // those descriptors and has something in front of what is to come: it is written on where it stands, as a shell's
  // ">>" wants. False for what does not exist.
  static bool IsStream(const std::string& path);
  // A file that is open as such a descriptor ends at `size` for those who share it, and write on. Nothing for any other
  // name.
  static void StandAt(const std::string& path, std::uint64_t size) noexcept;
  // kIo with the errno of open(2); kUnsupported for a terminal. Opening a FIFO waits for its reader. "/dev/stdout",
  // "/dev/stderr" and "/dev/fd/N" are descriptors of this process. Whoever waits, here or for room in a pipe, ends with
  // kCancelled once `cancel` is true; null: never.
  static Result<std::shared_ptr<StreamStorage>> Open(const std::string& path,
                                                     const std::atomic<bool>* cancel = nullptr);
  // Takes over `fd`, open for writing. Only where it does not block is `cancel` heard.
  StreamStorage(std::string name, int fd, const std::atomic<bool>* cancel = nullptr)
      : Storage(std::move(name)), fd_(fd), cancel_(cancel) {}
  ~StreamStorage() override;

  // Bytes that have gone out.
  std::uint64_t size() const noexcept override { return position_.load(std::memory_order_relaxed); }
  bool writable() const noexcept override { return true; }
  bool is_stream() const noexcept override { return true; }
  std::optional<StorageIdentity> identity() const noexcept override;

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Result<> DoResize(std::uint64_t size) override;
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override;
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;
  Result<> DoSync() override { return Done{}; }

 private:
  // Waits until everything before `offset` has gone out.
  Result<> WaitForTurn(std::uint64_t offset);
  // Sends at the position; the caller has the turn.
  Result<> Send(std::span<const std::byte> bytes);
  void EndTurn(std::uint64_t position);
  Error HostError(int os_error) const;

  int fd_;
  const std::atomic<bool>* cancel_;
  std::atomic<std::uint64_t> position_{0};
  std::mutex mutex_;
  std::condition_variable advanced_;
  int failure_ = 0;  // errno of the write that failed; ECANCELED after an interrupt
};

}  // namespace platter
