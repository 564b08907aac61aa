// Every writer while the host moves the data: what it is handed unseen arrives where it belongs, data that ends in the
// middle of its clusters included, and what it has to see is read.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "convert/copy/copy.h"
#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/conformance/images.h"
#include "tests/support/content.h"
#include "tests/support/moving_storage.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{100} << 10;
constexpr std::uint64_t kGapBytes = std::uint64_t{92} << 10;
constexpr std::uint64_t kPieces = 27;
constexpr std::uint64_t kDiskSize = kPieces * (kPieceBytes + kGapBytes);
// Pieces too short to be shared, where the copy's windows end within data.
constexpr std::uint64_t kEdges = std::uint64_t{128} << 10;
constexpr std::uint64_t kSomeBytes = std::uint64_t{1} << 20;

// What the host is asked for, and when it refuses.
struct Moves {
  const char* name;
  bool shares;
  bool copies;
  std::uint64_t refuses_after = MovingStorage::kNeverRefuses;  // bytes
};

constexpr Moves kMoves[] = {
    {.name = "shares", .shares = true, .copies = false},
    {.name = "copies", .shares = false, .copies = true},
    {.name = "both", .shares = true, .copies = true},
    {.name = "refuses", .shares = true, .copies = true, .refuses_after = kSomeBytes},
};

// GoogleTest's way of printing a parameter.
void PrintTo(const Moves& moves, std::ostream* out) { *out << moves.name; }

class HostMoves : public testing::TestWithParam<std::tuple<Sample, Moves>> {
 protected:
  const Sample& sample() const { return std::get<0>(GetParam()); }
  const Moves& moves() const { return std::get<1>(GetParam()); }

  // `disk` as a raw file of the host.
  Chain RawSource(const GuestDisk& disk) {
    WriteRawFile(disk, folder_.File("source"));
    auto chain = OpenFileAlone(*FindFormat("raw"), folder_.File("source"));
    EXPECT_TRUE(chain.ok());
    return std::move(chain).value();
  }
  Result<CopyReport> CopyTo(const std::shared_ptr<MovingStorage>& target, const Chain& source) {
    const auto writer = PLATTER_TRY(NewSample(sample(), target, source.virtual_size()));
    CopyOptions options;
    options.workers = 2;
    options.moves_only = !writer->traits().compresses;
    options.in_kernel = moves().copies;
    if (moves().shares) options.reflink_target = target.get();
    const Chain* const sources[] = {&source};
    const CopyReport report = PLATTER_TRY(Copy(sources, *writer, options));
    PLATTER_CHECK(writer->Finish());
    return report;
  }

  TempDir folder_;
};

TEST_P(HostMoves, TheGuestReadsTheSame) {
  // Ranges that end at any sector, and at any block of the host.
  for (const std::uint64_t granularity : {std::uint64_t{512}, MovingStorage::kBlock, std::uint64_t{16384}}) {
    SCOPED_TRACE(granularity);
    const GuestDisk disk = SampleGuest(sample(), 31 + granularity, kDiskSize, granularity);
    const Chain source = RawSource(disk);
    const auto target = std::make_shared<MovingStorage>(moves().refuses_after);
    const auto report = CopyTo(target, source);
    ASSERT_TRUE(report.ok()) << report.error().Describe();
    EXPECT_TRUE(target->whole_blocks());

    const auto written = OpenAlone(sample().driver(), target);
    ASSERT_TRUE(written.ok()) << written.error().Describe();
    const std::vector<std::byte> wanted = disk.Content();
    std::vector<std::byte> content(written.value().virtual_size());
    ASSERT_GE(content.size(), wanted.size());
    ASSERT_TRUE(written.value().ReadAt(0, content).ok());
    EXPECT_EQ(FirstDifference(content, wanted), wanted.size());
    EXPECT_TRUE(AllZero(std::span(content).subspan(wanted.size()))) << "behind the end";
  }
}

// Data on whole blocks of the host, of which most clusters hold a part only.
GuestDisk PartlyFullClusters(const Sample& sample) {
  GuestDisk disk{.size = kDiskSize, .ranges = {}};
  for (std::uint64_t at = 0; at < kDiskSize; at += kPieceBytes + kGapBytes) {
    disk.ranges.push_back({at, kPieceBytes, GuestRange::Kind::kNoise, at});
    disk.ranges.push_back({at + kPieceBytes, kGapBytes, GuestRange::Kind::kHole, 0});
  }
  if (sample.row->shape != nullptr) sample.row->shape(disk);
  return disk;
}

// All but what the writer has to see is moved, not only clusters that happen to be full.
TEST_P(HostMoves, NoMoreIsReadThanHasToBe) {
  const auto probe = NewSample(sample(), std::make_shared<MovingStorage>(), kDiskSize);
  ASSERT_TRUE(probe.ok()) << probe.error().Describe();
  const WriterTraits& traits = probe.value()->traits();
  const bool sees_all = traits.looked_at.end - traits.looked_at.begin > kDiskSize;
  const bool fits = !sees_all && traits.host_alignment % MovingStorage::kBlock == 0;
  const GuestDisk disk = PartlyFullClusters(sample());
  const Chain source = RawSource(disk);
  const auto target = std::make_shared<MovingStorage>(moves().refuses_after);
  const auto report = CopyTo(target, source);
  ASSERT_TRUE(report.ok()) << report.error().Describe();

  std::uint64_t data = 0;
  for (const GuestRange& range : disk.ranges) data += range.data() ? range.length : 0;
  ASSERT_GT(data, kSomeBytes);
  const auto has = [this](const char* word) { return sample().Text().find(word) != std::string::npos; };
  const bool elsewhere = has("data_file") || has("Flat") || has("twoGb");  // side files, of another host
  if (elsewhere || moves().refuses_after < data) return;
  const std::uint64_t moved = target->shared() + target->copied();
  EXPECT_EQ(report.value().in_kernel_bytes, moved);
  if (moves().copies && !sees_all) {
    EXPECT_GE(moved + kEdges, data);
  } else if (fits) {
    EXPECT_GE(target->shared() + kEdges, data);
  } else {
    EXPECT_EQ(moved, 0U);
  }
}

std::string CaseName(const testing::TestParamInfo<HostMoves::ParamType>& info) {
  std::string name = std::get<0>(info.param).Text() + " " + std::get<1>(info.param).name;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Every, HostMoves, testing::Combine(testing::ValuesIn(OurSamples()), testing::ValuesIn(kMoves)),
                         CaseName);

}  // namespace
}  // namespace platter::test
