// Seeded random guest disks: which ranges hold data, zeros or nothing, and what the data is. The same seed gives the
// same disk on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::test {

// splitmix64: small, fast, and the same everywhere, which the standard's distributions are not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() noexcept;
  // 0..bound-1. Requires: bound > 0.
  std::uint64_t Below(std::uint64_t bound) noexcept { return Next() % bound; }
  template <class Container>
  const auto& Pick(const Container& choices) noexcept {
    return choices[Below(std::size(choices))];
  }

 private:
  std::uint64_t state_;
};

struct GuestRange {
  enum class Kind : std::uint8_t {
    kNoise,  // does not compress
    kText,   // compresses well
    kZero,   // written as zeros
    kHole,   // never written
  };
  std::uint64_t offset = 0;  // guest bytes
  std::uint64_t length = 0;  // guest bytes
  Kind kind = Kind::kHole;
  std::uint64_t seed = 0;  // of the content

  std::uint64_t end() const noexcept { return offset + length; }
  bool data() const noexcept { return kind == Kind::kNoise || kind == Kind::kText; }
};

// Fixed content that lies over a disk's ranges: what every disk of some format has to hold.
struct Imprint {
  std::uint64_t offset = 0;  // guest bytes
  std::vector<std::byte> bytes;
};

struct GuestDisk {
  std::uint64_t size = 0;               // guest bytes
  std::vector<GuestRange> ranges;       // tile [0, size) in order
  std::optional<Imprint> imprint = {};  // see AddImprint

  // The guest's bytes in [offset, offset + out.size()).
  void Fill(std::uint64_t offset, std::span<std::byte> out) const;
  std::vector<std::byte> Content() const;
  std::string Sha256() const;
};

// `size` bytes whose ranges start at multiples of `granularity` (bytes) and are a few of them long; some start and end
// inside a unit of 64 KiB, some span several.
GuestDisk RandomGuest(std::uint64_t seed, std::uint64_t size, std::uint64_t granularity = 512);

// Lays `imprint` over the disk; the range that it lies in becomes data. Requires: it lies inside the disk.
void AddImprint(GuestDisk& disk, Imprint imprint);

// The disk as a raw file with holes where nothing is or zeros are.
void WriteRawFile(const GuestDisk& disk, const std::string& path);
// Writes the disk into the existing image `path` with qemu-io, range by range in a seeded random order: data as such,
// zeros with write -z, holes not at all. Adds a test failure when qemu-io fails. Makes files beside `path` on the way.
void WriteWithQemuIo(const GuestDisk& disk, const std::string& path, const std::string& format, std::uint64_t seed);

// Brings the disk into a new image through the driver's writer alone: Encode, Place, Store of batches of `batch_bytes`,
// one after the other, then Finish.
Result<> WriteThroughDriver(const FormatDriver& driver, const CreateRequest& request, const GuestDisk& disk,
                            std::uint64_t batch_bytes = std::uint64_t{1} << 20);
Result<> WriteThrough(ImageWriter& writer, const GuestDisk& disk, std::uint64_t batch_bytes = std::uint64_t{1} << 20);

}  // namespace platter::test
