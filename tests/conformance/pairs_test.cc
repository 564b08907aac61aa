// The matrix of conversions: from every image that somebody writes and we read into every image that we write, through
// the copy engine, as `platter convert` does it. The guest disk arrives unchanged, and the new image is sound.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "convert/copy/copy.h"
#include "formats/core/memory_storage.h"
#include "tests/conformance/images.h"
#include "tests/support/content.h"

namespace platter::test {
namespace {

// Spans several of the largest blocks that formats have by default (2 MiB), with an end inside of one.
constexpr std::uint64_t kDiskSize = (std::uint64_t{4} << 20) + (std::uint64_t{192} << 10);

// A few short ranges of data and zeros, far apart: what costs time is the data.
GuestDisk ScatteredGuest(std::uint64_t seed) {
  static constexpr std::array kKinds = {GuestRange::Kind::kNoise, GuestRange::Kind::kText, GuestRange::Kind::kZero};
  Random random(seed);
  GuestDisk disk{.size = kDiskSize, .ranges = {}};
  const auto add = [&](std::uint64_t longest, GuestRange::Kind kind) {
    const std::uint64_t at = disk.ranges.empty() ? 0 : disk.ranges.back().end();
    const std::uint64_t length = std::min(kDiskSize - at, (1 + random.Below(longest / 512)) * 512);
    if (length != 0) disk.ranges.push_back({at, length, kind, random.Next()});
  };
  while (disk.ranges.empty() || disk.ranges.back().end() < kDiskSize) {
    add(std::uint64_t{40} << 10, random.Pick(kKinds));
    add(std::uint64_t{600} << 10, GuestRange::Kind::kHole);
  }
  return disk;
}

// An image to convert from, and what its guest reads.
struct Source {
  std::shared_ptr<Storage> image;
  std::vector<std::byte> content;
};

// Made once for all pairs that start with it.
const Source& SourceOf(const Sample& sample) {
  static std::map<std::string, Source> made;
  const auto [entry, is_new] = made.try_emplace(sample.Text());
  if (is_new) {
    GuestDisk disk = ScatteredGuest(made.size());
    for (const ConformanceRow& row : ConformanceRows()) {
      if (row.shape != nullptr) row.shape(disk);
    }
    entry->second = {SampleInMemory(sample, disk), disk.Content()};
  }
  return entry->second;
}

Result<> CopyInto(const Chain& source, ImageWriter& writer) {
  const Chain* const sources[] = {&source};
  CopyOptions options;
  options.workers = 2;
  options.buffer_bytes = std::uint64_t{2} << 20;
  PLATTER_CHECK(Copy(sources, writer, options));
  return writer.Finish();
}

// What the format's own check says against the image; "" where it finds nothing or there is none.
std::string Findings(const Sample& sample, const std::shared_ptr<Storage>& storage) {
  if (sample.driver().check == nullptr) return "";
  std::string findings;
  CheckRequest request{.storage = storage, .log = [&](const std::string& line) { findings += line + '\n'; }};
  request.context.gate = &SideFilesInMemory();
  const auto report = sample.driver().check(request);
  return report.ok() ? findings : report.error().Describe();
}

class Conversion : public testing::TestWithParam<std::tuple<Sample, Sample>> {};

TEST_P(Conversion, KeepsTheGuestDisk) {
  const auto& [from, to] = GetParam();
  const Source& source = SourceOf(from);
  const auto chain = OpenAlone(from.driver(), source.image);
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();

  const auto storage = std::make_shared<MemoryStorage>();
  const auto writer = NewSample(to, storage, chain.value().virtual_size());
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  const auto copied = CopyInto(chain.value(), *writer.value());
  ASSERT_TRUE(copied.ok()) << copied.error().Describe();

  const auto converted = OpenAlone(to.driver(), storage);
  ASSERT_TRUE(converted.ok()) << converted.error().Describe();
  std::vector<std::byte> content(converted.value().virtual_size());
  ASSERT_GE(content.size(), source.content.size());
  const auto read = converted.value().ReadAt(0, content);
  ASSERT_TRUE(read.ok()) << read.error().Describe();
  EXPECT_EQ(FirstDifference(content, source.content), source.content.size());
  // Formats whose disks come in whole blocks or cylinders.
  EXPECT_TRUE(AllZero(std::span(content).subspan(source.content.size()))) << "behind the end";
  EXPECT_EQ(Findings(to, storage), "");
}

std::string PairName(const testing::TestParamInfo<Conversion::ParamType>& pair) {
  std::string name = std::get<0>(pair.param).Text() + " to " + std::get<1>(pair.param).Text();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Every, Conversion,
                         testing::Combine(testing::ValuesIn(ReadableSamples()), testing::ValuesIn(OurSamples())),
                         PairName);

}  // namespace
}  // namespace platter::test
