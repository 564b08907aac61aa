// Memory does not grow with the disk: the largest image of each format opens, maps and is written in a few megabytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/format_table.h"
#include "tests/conformance/heap_meter.h"
#include "tests/conformance/images.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::size_t kMostBytes = std::size_t{24} << 20;

std::vector<ConformanceRow> WritableRows() {
  std::vector<ConformanceRow> rows(ConformanceRows().begin(), ConformanceRows().end());
  std::erase_if(rows, [](const ConformanceRow& row) { return row.ours.empty() || row.shape != nullptr; });
  return rows;
}

// One batch of data at each end of the disk, nothing between. Returns the batch's length.
Result<std::uint64_t> WriteBothEnds(const FormatDriver& driver, std::shared_ptr<Storage> storage, std::uint64_t size) {
  const auto writer = PLATTER_TRY(driver.create({.storage = std::move(storage), .virtual_size = size}));
  const std::uint64_t length = std::max<std::uint64_t>(writer->traits().batch_alignment, 65536);
  const std::vector<std::byte> bytes(length, std::byte{0x5a});
  Batch batch;
  for (const std::uint64_t at : {std::uint64_t{0}, size - length}) {
    batch.offset = at;
    batch.length = length;
    batch.bytes = bytes;
    batch.runs = {{Run::Kind::kData, at, length}};
    PLATTER_CHECK(writer->Encode(batch));
    PLATTER_CHECK(writer->Place(batch));
    PLATTER_CHECK(writer->Store(batch));
  }
  PLATTER_CHECK(writer->Finish());
  return length;
}

// The bytes that the map calls data.
Result<std::uint64_t> MappedData(const Chain& chain) {
  std::uint64_t data = 0;
  for (std::uint64_t at = 0; at < chain.virtual_size();) {
    const Extent extent = PLATTER_TRY(chain.MapJoined(at, chain.virtual_size() - at));
    if (extent.status == BlockStatus::kData) data += extent.length;
    at = extent.end();
  }
  return data;
}

class LargestDisk : public testing::TestWithParam<ConformanceRow> {};

TEST_P(LargestDisk, IsWrittenOpenedAndMappedInBoundedMemory) {
  const TempDir folder;
  const FormatDriver& driver = *FindFormat(GetParam().format);
  const std::string path = folder.File("image");
  const HeapMeter writing;
  const auto file = FileStorage::Open(path, {.access = FileMode::Access::kCreate, .cache = CacheMode::kUnsafe});
  ASSERT_TRUE(file.ok()) << file.error().Describe();
  const auto length = WriteBothEnds(driver, file.value(), GetParam().largest_virtual_size);
  ASSERT_TRUE(length.ok()) << length.error().Describe();
  EXPECT_LT(writing.peak(), kMostBytes);

  const HeapMeter reading;
  const auto chain = OpenAlone(driver, file.value());
  ASSERT_TRUE(chain.ok()) << chain.error().Describe();
  const auto data = MappedData(chain.value());
  ASSERT_TRUE(data.ok()) << data.error().Describe();
  // Blocks may be longer than what was written, and are data as a whole.
  const std::uint64_t unit = chain.value().layer(0).info().allocation_unit;
  EXPECT_EQ(data.value(), 2 * std::max(length.value(), unit));
  EXPECT_LT(reading.peak(), kMostBytes);
}

INSTANTIATE_TEST_SUITE_P(Every, LargestDisk, testing::ValuesIn(WritableRows()));

}  // namespace
}  // namespace platter::test
