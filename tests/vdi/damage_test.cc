// Every field of the header with values that it must not have.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/vdi/images.h"

namespace platter::test {
namespace {

constexpr auto kCorrupt = ErrorKind::kCorrupt;
constexpr auto kUnsupported = ErrorKind::kUnsupported;

const HeaderCase kCases[] = {
    {"Signature", 64, 0xBEDA107E, 4, ErrorKind::kNotThisFormat, "signature"},
    {"SignatureZero", 64, 0, 4, ErrorKind::kNotThisFormat, "signature"},
    {"VersionZero", 68, 0, 4, kUnsupported, "version"},
    {"MinorVersion", 68, 2, 2, kUnsupported, "version"},
    {"MajorVersion", 70, 2, 2, kUnsupported, "version"},
    {"VersionMax", 68, 0xFFFFFFFF, 4, kUnsupported, "version"},
    {"HeaderSizeZero", 72, 0, 4, kCorrupt, "header_size"},
    {"HeaderSizeShort", 72, 0x17F, 4, kCorrupt, "header_size"},
    {"HeaderSizeMax", 72, 0xFFFFFFFF, 4, kCorrupt, "map_offset"},
    {"TypeZero", 76, 0, 4, kCorrupt, "type"},
    {"TypeFive", 76, 5, 4, kCorrupt, "type"},
    {"TypeMax", 76, 0xFFFFFFFF, 4, kCorrupt, "type"},
    {"DifferencingWithoutParent", 76, 4, 4, kCorrupt, "linkage_uuid"},
    {"MapOffsetZero", 340, 0, 4, kCorrupt, "map_offset"},
    {"MapOffsetOdd", 340, 513, 4, kUnsupported, "map_offset"},
    {"MapOffsetInData", 340, 1024, 4, kCorrupt, "data_offset"},
    {"MapOffsetMax", 340, 0xFFFFFE00, 4, kCorrupt, "data_offset"},
    {"DataOffsetZero", 344, 0, 4, kCorrupt, "data_offset"},
    {"DataOffsetInMap", 344, 512, 4, kCorrupt, "data_offset"},
    {"DataOffsetOdd", 344, 1025, 4, kUnsupported, "data_offset"},
    {"SectorSizeZero", 360, 0, 4, kUnsupported, "sector_size"},
    {"SectorSize4096", 360, 4096, 4, kUnsupported, "sector_size"},
    {"DiskSizePlusOne", 368, 2 * 4096 + 1, 8, kUnsupported, "disk_size"},
    {"DiskSizeMax", 368, ~std::uint64_t{0}, 8, kCorrupt, "disk_size"},
    {"DiskSizeHuge", 368, std::uint64_t{1} << 62, 8, kUnsupported, "disk_size"},
    {"BlockSizeZero", 376, 0, 4, kCorrupt, "block_size"},
    {"BlockSizeOdd", 376, 4097, 4, kCorrupt, "block_size"},
    {"BlockSizeSmall", 376, 256, 4, kCorrupt, "block_size"},
    {"BlockSizeMax", 376, 0xFFFFFFFF, 4, kCorrupt, "block_size"},
    {"BlockSizeLarge", 376, 0x80000000, 4, kCorrupt, "block_size"},
    {"BlockExtraOdd", 380, 1, 4, kCorrupt, "block_extra"},
    {"BlockExtraMax", 380, 0xFFFFFE00, 4, kCorrupt, "block_extra"},
    {"BlocksZero", 384, 0, 4, kUnsupported, "disk_size"},
    {"BlocksFewer", 384, 1, 4, kUnsupported, "disk_size"},
    {"BlocksBehindData", 384, 129, 4, kCorrupt, "data_offset"},
    {"BlocksMax", 384, 0xFFFFFFFF, 4, kUnsupported, "blocks"},
    {"ParentOfDynamic", 424, 1, 4, kCorrupt, "linkage_uuid"},
};

class DamagedVdi : public testing::TestWithParam<HeaderCase> {};

TEST_P(DamagedVdi, IsRefusedByName) {
  ExpectRefusedByName(Vdi(), Fixture{.entries = {1, 0}, .stored = 2}.Bytes(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, DamagedVdi, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(DamagedVdi, CutInsideTheMapOrTheHeaderIsRefused) {
  const std::vector<std::byte> whole = Fixture{.entries = {0, 1}, .stored = 2}.Bytes();
  for (const std::size_t size : {0, 63, 71, 72, 455, 456, 512, 519}) {
    EXPECT_FALSE(OpenVdi(InMemory({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})).ok()) << size;
  }
}

struct CheckCase {
  const char* name;
  std::vector<std::uint32_t> entries;
  std::uint32_t stored;
  std::vector<std::string> lines;
};
void PrintTo(const CheckCase& tested, std::ostream* out) { *out << tested.name; }

class ChecksVdi : public testing::TestWithParam<CheckCase> {};

// The lines are qemu-img's but for those about places outside the file.
TEST_P(ChecksVdi, EveryEntry) {
  auto bytes = Fixture{.entries = GetParam().entries, .stored = 2}.Bytes();
  Poke(bytes, 388, GetParam().stored);
  std::vector<std::string> lines;
  DenyGate gate;
  CheckRequest request;
  request.storage = InMemory(bytes);
  request.context.gate = &gate;
  request.log = [&](const std::string& line) { lines.push_back(line); };
  const auto report = Vdi().check(request);
  ASSERT_TRUE(report.ok()) << report.error().Describe();
  EXPECT_EQ(lines, GetParam().lines);
  EXPECT_EQ(report.value().corruptions, GetParam().lines.size());
  request.repair = Repair::kAll;
  EXPECT_EQ(Vdi().check(request).error().kind(), ErrorKind::kUnsupported);
}

INSTANTIATE_TEST_SUITE_P(
    All, ChecksVdi,
    testing::Values(
        CheckCase{"Sound", {1, 0xFFFFFFFF, 0, 0xFFFFFFFE}, 2, {}},
        CheckCase{"Twice", {1, 0, 1}, 3, {"ERROR: block index 1 also used by 1"}},
        CheckCase{"TooLarge",
                  {9, 0},
                  2,
                  {"ERROR: block index 0 too large, is 9", "ERROR: allocated blocks mismatch, is 1, should be 2"}},
        CheckCase{"OutsideTheFile", {0, 1, 2}, 3, {"ERROR: block 2 at offset 0x2400 lies outside the file"}}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace platter::test
