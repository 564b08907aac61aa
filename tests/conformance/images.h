// Images for the conformance suite: made by our writers or by the peer, opened through the drivers.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "formats/core/chain.h"
#include "formats/core/driver.h"
#include "formats/core/storage.h"
#include "tests/conformance/rows.h"
#include "tests/support/guest.h"

namespace platter::test {

// One variant of one row, the parameter of most tests.
struct Sample {
  const ConformanceRow* row = nullptr;
  Variant variant = {};

  const FormatDriver& driver() const;
  // "qcow2, cluster_size=512, compressed".
  std::string Text() const;
};

// GoogleTest's way of printing a parameter.
inline void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.Text(); }

// Every variant that our writers make, and every one that the peer makes.
std::vector<Sample> OurSamples();
std::vector<Sample> PeerSamples();
// For what only reads: ours, and the peer's of formats that we do not write.
std::vector<Sample> ReadableSamples();

// The writer of a new image of `virtual_size` bytes in `storage`.
Result<std::unique_ptr<ImageWriter>> NewSample(const Sample& sample, std::shared_ptr<Storage> storage,
                                               std::uint64_t virtual_size);
// A random disk that an image of the sample's format can hold.
GuestDisk SampleGuest(const Sample& sample, std::uint64_t seed, std::uint64_t size, std::uint64_t granularity = 512);
// Writes `disk` as a new image into `storage` with our writer.
Result<> WriteSample(const Sample& sample, std::shared_ptr<Storage> storage, const GuestDisk& disk);
// The same in memory, made by the peer where we do not write the format; adds a test failure when that fails.
std::shared_ptr<Storage> SampleInMemory(const Sample& sample, const GuestDisk& disk);
// The same as the file `path`.
void WriteSampleFile(const Sample& sample, const std::string& path, const GuestDisk& disk);
// Has qemu-img and qemu-io make the image `path`.
void MakePeerFile(const Sample& sample, const std::string& path, const GuestDisk& disk, std::uint64_t seed);

// Opens the side files of the images in memory.
ReferenceGate& SideFilesInMemory();

// One image without its backing files, as a chain of its own.
Result<Chain> OpenAlone(const FormatDriver& driver, std::shared_ptr<Storage> storage, const Limits& limits = {});
Result<Chain> OpenFileAlone(const FormatDriver& driver, const std::string& path);

// Maps all and reads all: the guest's digest, or the first error.
Result<std::string> ReadWhole(const Chain& chain);

}  // namespace platter::test
