// The table itself, and recognition among all the images that its rows make.
#include <gtest/gtest.h>

#include <algorithm>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/conformance/images.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = 300 * 1024;

TEST(ConformanceTable, HasOneRowForEveryDriver) {
  for (const FormatDriver* driver : AllFormats()) {
    const auto count = std::ranges::count(ConformanceRows(), driver->name, &ConformanceRow::format);
    EXPECT_EQ(count, driver->described_only ? 0 : 1) << "tests/conformance/rows.cc needs one row for " << driver->name;
  }
  const auto readable = std::ranges::count(AllFormats(), false, &FormatDriver::described_only);
  EXPECT_EQ(std::ssize(ConformanceRows()), readable);
}

TEST(ConformanceTable, RowsThatWriteHaveVariants) {
  for (const ConformanceRow& row : ConformanceRows()) {
    EXPECT_EQ(FindFormat(row.format)->create != nullptr, !row.ours.empty()) << row.format;
    EXPECT_FALSE(row.ours.empty() && row.peers.empty()) << row.format << " is not tested at all";
  }
}

TEST(Recognition, ClaimsOurImagesForTheirFormatOnly) {
  for (const Sample& sample : OurSamples()) {
    const auto storage = SampleInMemory(sample, SampleGuest(sample, 1, kDiskSize));
    const auto format = ProbeFormat(*storage);
    ASSERT_TRUE(format.ok()) << format.error().Describe();
    EXPECT_EQ(format.value()->name, sample.row->format) << sample.Text();
  }
}

TEST(Recognition, ClaimsThePeersImagesForTheirFormatOnly) {
  const TempDir folder;
  for (const Sample& sample : PeerSamples()) {
    const std::string path = folder.File("image");
    MakePeerFile(sample, path, SampleGuest(sample, 2, kDiskSize), 3);
    const auto file = FileStorage::Open(path, {});
    ASSERT_TRUE(file.ok()) << file.error().Describe();
    const auto format = ProbeFormat(*file.value());
    ASSERT_TRUE(format.ok()) << format.error().Describe();
    EXPECT_EQ(format.value()->name, sample.row->format) << sample.Text();
  }
}

}  // namespace
}  // namespace platter::test
