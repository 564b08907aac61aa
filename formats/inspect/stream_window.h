// StreamWindow: a stream as a file of which little is kept. Parsers read it as any Storage; what they ask for and is
// not there is remembered, and kept when it comes by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/core/read_only_storage.h"

namespace platter::inspect {

// Holds the first kHead bytes, the last kTail bytes, up to kRoom bytes of what was asked for in between, and the last
// byte that is not zero: once the stream has ended, what follows that is a hole. One thread.
class StreamWindow final : public ReadOnlyStorage {
 public:
  static constexpr std::uint64_t kFirstLook = std::uint64_t{64} << 10;
  static constexpr std::uint64_t kHead = std::uint64_t{320} << 10;
  static constexpr std::uint64_t kTail = std::uint64_t{96} << 10;
  static constexpr std::uint64_t kRoom = std::uint64_t{544} << 10;
  // size() until the stream's end is known.
  static constexpr std::uint64_t kEndless = std::uint64_t{1} << 62;

  explicit StreamWindow(std::string name) : ReadOnlyStorage(std::move(name)), tail_(kTail) {}

  // Bytes that have come by.
  std::uint64_t position() const noexcept { return position_; }
  // The next position at which a look is worth while; kEndless when only the end can tell more. What lies where does
  // not depend on the pieces in which a stream arrives when no piece given to Append passes this.
  std::uint64_t next_look() const noexcept;
  // The bytes that follow. Requires: Finish was not called; they end at or before next_look().
  void Append(std::span<const std::byte> bytes);
  // The stream ends here: size() is known.
  void Finish() noexcept { finished_ = true; }

  // How often a read has failed because its bytes are not here (yet).
  std::uint64_t misses() const noexcept { return misses_; }
  // Keeps what reads have missed since the last call, as far as it is still to come and there is room.
  void KeepWhatWasMissed();

  std::uint64_t size() const noexcept override { return finished_ ? position_ : kEndless; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override;
  Result<DataRun> DoDataMap(std::uint64_t offset) override;

 private:
  struct Part {
    std::uint64_t begin = 0;  // host bytes
    std::uint64_t end = 0;
    std::vector<std::byte> bytes;  // from `begin` on, as far as they have arrived
  };

  static void AppendTo(Part& part, std::uint64_t position, std::span<const std::byte> bytes);
  void AppendToTail(std::span<const std::byte> bytes);
  void LookForData(std::span<const std::byte> bytes);
  // Copies what is here from `offset` on, and returns its length; 0 when it is not here.
  std::size_t CopyFrom(std::uint64_t offset, std::span<std::byte> out) const;
  std::size_t CopyFromTail(std::uint64_t offset, std::span<std::byte> out) const;

  std::uint64_t position_ = 0;
  std::uint64_t data_end_ = 0;  // behind the last byte that is not zero
  std::byte last_data_{};       // which it is
  bool finished_ = false;
  std::uint64_t misses_ = 0;
  Part head_{0, kHead, {}};
  std::vector<Part> parts_;
  std::vector<Part> missed_;     // without bytes
  std::vector<std::byte> tail_;  // a ring: byte p of the stream stands at p % kTail
};

}  // namespace platter::inspect
