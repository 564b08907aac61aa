// Every field of the footer and the dynamic disk header with values that it must not have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "tests/vhd/opening.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = 10 * kMiB;
constexpr std::uint64_t kMax32 = 0xFFFFFFFF;
constexpr std::uint64_t kMax64 = ~std::uint64_t{0};

struct FieldCase {
  const char* name;
  std::size_t offset;  // in the file; footers' fields are changed at both ends
  std::size_t width;
  std::uint64_t value;
  const char* complaint;  // "opened": none
};

void PrintTo(const FieldCase& wanted, std::ostream* out) { *out << wanted.name << " = " << wanted.value; }

class Fields : public testing::TestWithParam<FieldCase> {};

TEST_P(Fields, AreChecked) {
  SparseFields fields;
  fields.footer.size = kDiskSize;
  fields.blocks = {{0, {std::byte{1}}}, {4, {std::byte{2}}}};
  Bytes file = MakeSparse(fields);
  const std::size_t end = file.size() - 512;
  PutBe(file, GetParam().offset, GetParam().value, GetParam().width);
  if (GetParam().offset < 512) PutBe(file, end + GetParam().offset, GetParam().value, GetParam().width);
  if (GetParam().offset != 64) {
    FixFooter(file, 0);
    FixFooter(file, end);
  }
  if (GetParam().offset != 512 + 36) FixHeader(file);
  const std::string error = ErrorOf(TryOpen(InMemory(file)));
  EXPECT_THAT(error, testing::HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    OfTheFooter, Fields,
    testing::Values(FieldCase{"cookie", 0, 8, 0, "invalid VPC image"}, FieldCase{"cookie", 0, 8, kMax64, "invalid VPC"},
                    FieldCase{"features", 8, 4, 0, "opened"}, FieldCase{"version", 12, 4, 0, "file format version"},
                    FieldCase{"version", 12, 4, 0x20000, "file format version"},
                    FieldCase{"version", 12, 4, 0x10001, "opened"},
                    FieldCase{"data offset", 16, 8, 0, "Invalid header"},
                    FieldCase{"data offset", 16, 8, 511, "Invalid header magic"},
                    FieldCase{"data offset", 16, 8, kMax64, "lies outside the file"},
                    FieldCase{"data offset", 16, 8, kMax64 / 2, "lies outside the file"},
                    FieldCase{"current size", 48, 8, 0, "opened"},
                    FieldCase{"current size", 48, 8, kDiskSize + 512, "Page table too small"},
                    FieldCase{"current size", 48, 8, kMax64, "the disk is too large"},
                    FieldCase{"current size", 48, 8, (std::uint64_t{2040} << 30) + 512, "the disk is too large"},
                    FieldCase{"disk type", 60, 4, 0, "unknown type"}, FieldCase{"disk type", 60, 4, 1, "unknown type"},
                    FieldCase{"disk type", 60, 4, 2, "too short"}, FieldCase{"disk type", 60, 4, 5, "unknown type"},
                    FieldCase{"disk type", 60, 4, kMax32, "unknown type"},
                    FieldCase{"checksum", 64, 4, 0, "Incorrect header checksum"}));

INSTANTIATE_TEST_SUITE_P(OfTheDynamicDiskHeader, Fields,
                         testing::Values(FieldCase{"cookie", 512, 8, 0, "Invalid header magic"},
                                         FieldCase{"next", 520, 8, 0, "opened"},
                                         FieldCase{"table offset", 528, 8, 1, "Error reading pagetable"},
                                         FieldCase{"table offset", 528, 8, kMax64, "Error reading pagetable"},
                                         FieldCase{"table offset", 528, 8, kMax64 - 3, "Error reading pagetable"},
                                         FieldCase{"version", 536, 4, 0, "header version"},
                                         FieldCase{"version", 536, 4, 0x20000, "header version"},
                                         FieldCase{"entries", 540, 4, 0, "Page table too small"},
                                         FieldCase{"entries", 540, 4, 4, "Page table too small"},
                                         FieldCase{"entries", 540, 4, 6, "opened"},
                                         FieldCase{"entries", 540, 4, kMax32, "Max Table Entries too large (-1)"},
                                         FieldCase{"block size", 544, 4, 0, "Invalid block size 0"},
                                         FieldCase{"block size", 544, 4, 256, "Invalid block size 256"},
                                         FieldCase{"block size", 544, 4, 3 * kMiB, "Invalid block size 3145728"},
                                         FieldCase{"block size", 544, 4, kMiB, "Page table too small"},
                                         FieldCase{"block size", 544, 4, kMax32, "Invalid block size"},
                                         FieldCase{"checksum", 548, 4, 0, "wrong checksum"}));

INSTANTIATE_TEST_SUITE_P(OfTheTable, Fields,
                         testing::Values(FieldCase{"entry 0", kTableAt, 4, kMax32, "opened"},
                                         FieldCase{"entry 0", kTableAt, 4, kMax32 - 1, "has been truncated"},
                                         FieldCase{"entry 3", kTableAt + 12, 4, 0x2006, "has been truncated"},
                                         FieldCase{"entry 3", kTableAt + 12, 4, 0x1006, "opened"}));

TEST(Footer, TooShortAFileHasNone) {
  for (const std::size_t size : {0, 1, 510}) {
    EXPECT_THAT(ErrorOf(TryOpen(InMemory(Bytes(size)))), testing::HasSubstr("File too small for a VHD header"));
  }
}

TEST(Qemu, DoesNotLookAtEverything) {
  SparseFields fields;
  fields.footer = {.size = kDiskSize, .type = 5};
  fields.blocks = {{0, {std::byte{1}}}};
  Bytes file = MakeSparse(fields);
  PutBe(file, 548, 0, 4);
  EXPECT_EQ(SizeOf(TryOpen(InMemory(file), "", Dialect::kQemu)), kDiskSize);
  PutBe(file, 64, 0, 4);
  EXPECT_THAT(ErrorOf(TryOpen(InMemory(file), "", Dialect::kQemu)), testing::HasSubstr("Incorrect header checksum"));
}

}  // namespace
}  // namespace platter::test
