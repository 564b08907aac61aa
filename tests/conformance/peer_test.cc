// Both ways with qemu: what we write it reads, what it writes we read; random disks, compared by SHA-256.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <vector>

#include "tests/conformance/images.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kSeeds = 3;

// Sizes that are whole clusters, cut clusters and less than one cluster.
std::uint64_t DiskSize(std::uint64_t seed) {
  static constexpr std::uint64_t kSizes[] = {std::uint64_t{4} << 20, (std::uint64_t{2} << 20) + 512 * 7, 512 * 3};
  return kSizes[seed % std::size(kSizes)];
}

// Data that starts and ends at sectors, and at whole pages.
std::uint64_t Granularity(std::uint64_t seed) { return seed % 2 == 0 ? 512 : 4096; }

class WithPeer : public testing::TestWithParam<Sample> {
 protected:
  std::string Path() const { return folder_.File("image"); }
  std::string Format() const { return std::string(GetParam().row->peer_format); }

  std::string DigestByPeer() const {
    const std::string raw = folder_.File("peer.raw");
    MustRun({"qemu-img", "convert", "-f", Format(), "-O", "raw", Path(), raw});
    return std::filesystem::exists(raw) ? Sha256OfFile(raw) : "";
  }

 private:
  TempDir folder_;
};

class OurWriter : public WithPeer {};
class ThePeersWriter : public WithPeer {};

TEST_P(OurWriter, IsReadByThePeer) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const GuestDisk disk = SampleGuest(GetParam(), seed, DiskSize(seed), Granularity(seed));
    WriteSampleFile(GetParam(), Path(), disk);
    EXPECT_EQ(DigestByPeer(), disk.Sha256());
    if (GetParam().row->peer_checks) {
      const std::string report = MustRun({"qemu-img", "check", "-f", Format(), Path()});
      EXPECT_NE(report.find("No errors were found"), std::string::npos) << report;
    }
  }
}

TEST_P(ThePeersWriter, IsReadByUs) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const GuestDisk disk = SampleGuest(GetParam(), seed + 100, DiskSize(seed), Granularity(seed));
    MakePeerFile(GetParam(), Path(), disk, seed);
    const auto chain = OpenFileAlone(GetParam().driver(), Path());
    ASSERT_TRUE(chain.ok()) << chain.error().Describe();
    EXPECT_EQ(chain.value().virtual_size(), disk.size);
    EXPECT_EQ(Sha256OfGuest(chain.value()), disk.Sha256());
  }
}

std::vector<Sample> ReadableByPeer() {
  std::vector<Sample> samples = OurSamples();
  std::erase_if(samples, [](const Sample& sample) { return sample.row->peer_format.empty(); });
  return samples;
}

INSTANTIATE_TEST_SUITE_P(Every, OurWriter, testing::ValuesIn(ReadableByPeer()));
INSTANTIATE_TEST_SUITE_P(Every, ThePeersWriter, testing::ValuesIn(PeerSamples()));

}  // namespace
}  // namespace platter::test
