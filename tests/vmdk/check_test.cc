// Sound images have no findings; each kind of damage has one.
#include "formats/vmdk/check.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "formats/core/memory_storage.h"
#include "formats/vmdk/sector_claims.h"
#include "tests/vmdk/fixture.h"

namespace platter::test {
namespace {

using namespace platter::vmdk;

SparseSpec Spec() {
  SparseSpec spec;
  spec.grain_sectors = 16;
  spec.capacity = 128;
  spec.descriptor = DescriptorText("monolithicSparse", "RW 128 SPARSE \"disk.vmdk\"\n");
  return spec;
}

struct Outcome {
  Result<CheckReport> report;
  std::string log;
};

Outcome CheckBytes(const Bytes& bytes, Dialect dialect = Dialect::kPlatter) {
  DenyGate gate;
  CheckRequest request;
  request.storage = std::make_shared<MemoryStorage>("disk.vmdk", bytes);
  request.context.gate = &gate;
  request.context.dialect = dialect;
  std::string log;
  request.log = [&](const std::string& line) { log += line + "\n"; };
  auto report = Check(request);
  return {std::move(report), log};
}

struct CheckCase {
  const char* name;
  bool stream;
  std::function<void(Fixture&)> damage;
  std::uint64_t corruptions;
  const char* words;  // in the log
};
void PrintTo(const CheckCase& check, std::ostream* out) { *out << check.name; }

std::uint32_t SectorOf(const Fixture& fixture, std::size_t grain) {
  return static_cast<std::uint32_t>(fixture.grains[grain] / kSectorSize);
}

// Of both copies.
void SetEntry(Fixture& fixture, std::uint64_t entry, std::uint32_t value) {
  Put32(fixture.file, fixture.table + entry * 4, value);
  if (fixture.redundant_table != 0) Put32(fixture.file, fixture.redundant_table + entry * 4, value);
}

const CheckCase kCases[] = {
    {"Sound", false, [](Fixture&) {}, 0, ""},
    {"SoundStream", true, [](Fixture&) {}, 0, ""},
    {"GrainUsedTwice", false, [](Fixture& f) { SetEntry(f, 1, SectorOf(f, 0)); }, 1, "overlaps"},
    {"GrainHalfUsedTwice", false, [](Fixture& f) { SetEntry(f, 1, SectorOf(f, 0) + 3); }, 2, "overlaps"},
    {"GrainOnTheDescriptor", false,
     [](Fixture& f) {
       Put(f.file, SparseHeaderLayout::kFlags, 3U);  // then 1 is a place
       SetEntry(f, 4, 0);
       SetEntry(f, 0, 1);
     },
     1, "overlaps"},
    {"GrainOutside", false, [](Fixture& f) { SetEntry(f, 0, 0x7FFFFFFF); }, 1, "grain lies outside the file"},
    {"TableOutside", false, [](Fixture& f) { Put32(f.file, f.redundant, 0x7FFFFFFF); }, 1,
     "grain table lies outside the file"},
    {"DirectoryDamaged", false, [](Fixture& f) { Put32(f.file, f.directory, 0x7FFFFFFF); }, 2, "its copy is sound"},
    {"CopiesDiffer", false, [](Fixture& f) { Put32(f.file, f.redundant_table, 0); }, 1, "two copies"},
    {"TableInOneDirectory", false, [](Fixture& f) { Put32(f.file, f.redundant, 0); }, 1, "one of the two"},
    {"SizesDiffer", false,
     [](Fixture& f) {
       const Bytes text = ToBytes(DescriptorText("monolithicSparse", "RW 99 SPARSE \"d\"\n"));
       std::fill_n(f.file.begin() + 512, 1024, std::byte{0});
       std::copy(text.begin(), text.end(), f.file.begin() + 512);
     },
     1, "the descriptor says 99 sectors"},
    {"MarkerOfAnotherGrain", true,
     [](Fixture& f) { Put(f.file, GrainMarkerLayout::kLba, std::uint64_t{16}, f.grains[0]); }, 1, "does not fit"},
    {"MarkerOutOfOrder", true,
     [](Fixture& f) {
       Put(f.file, GrainMarkerLayout::kLba, std::uint64_t{112}, f.grains[1]);
       SetEntry(f, 2, 0);
       SetEntry(f, 7, SectorOf(f, 1));
     },
     2, "not in order"},
    {"GrainNotReferenced", true, [](Fixture& f) { SetEntry(f, 0, 0); }, 1, "its tables lead to 3"},
    {"MarkerOfNoKind", true, [](Fixture& f) { Put(f.file, MetadataMarkerLayout::kType, 77U, f.table - 512); }, 1,
     "no kind of marker"},
};

class VmdkCheck : public testing::TestWithParam<CheckCase> {};

TEST_P(VmdkCheck, FindsWhatIsThere) {
  Fixture fixture = GetParam().stream ? MakeStream(Spec()) : MakeSparse(Spec());
  GetParam().damage(fixture);
  const Outcome outcome = CheckBytes(fixture.file);
  ASSERT_TRUE(outcome.report.ok()) << outcome.report.error().Describe();
  EXPECT_EQ(outcome.report.value().corruptions, GetParam().corruptions) << outcome.log;
  EXPECT_NE(outcome.log.find(GetParam().words), std::string::npos) << outcome.log;
}

INSTANTIATE_TEST_SUITE_P(All, VmdkCheck, testing::ValuesIn(kCases), [](const auto& param) { return param.param.name; });

TEST(VmdkCheckFigures, CountGrains) {
  const auto report = CheckBytes(MakeStream(Spec()).file).report;
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report.value().total_clusters, 8u);
  EXPECT_EQ(report.value().allocated_clusters, 4u);
  EXPECT_EQ(report.value().compressed_clusters, 4u);
  EXPECT_EQ(report.value().fragmented_clusters, 0u);
}

TEST(VmdkCheckAsQemu, LooksForGrainsBehindTheEnd) {
  Fixture fixture = MakeSparse(Spec());
  EXPECT_TRUE(CheckBytes(fixture.file, Dialect::kQemu).report.ok());
  SetEntry(fixture, 2, 0x7FFFFFFF);
  const Outcome outcome = CheckBytes(fixture.file, Dialect::kQemu);
  EXPECT_FALSE(outcome.report.ok());
  EXPECT_EQ(outcome.log, "ERROR: cluster offset for sector 32 points after EOF\n");
}

TEST(SectorClaims, KnowWhatIsTaken) {
  SectorClaims claims(0, std::uint64_t{1} << 20);
  EXPECT_TRUE(claims.Claim(0, 512));
  EXPECT_TRUE(claims.Claim(512, 65536));
  EXPECT_FALSE(claims.Claim(65536, 1));
  EXPECT_TRUE(claims.Claim(66048, 512 * 63));
  EXPECT_FALSE(claims.Claim(0, std::uint64_t{1} << 20));
  EXPECT_TRUE(claims.Claim(std::uint64_t{1} << 20, 512)) << "behind the end of the file";
  EXPECT_FALSE(claims.Claim(1000, ~std::uint64_t{0}));
}

TEST(SectorClaims, OfALaterWindowLeaveOutWhatIsBefore) {
  SectorClaims claims(SectorClaims::kWindowBytes, 2 * SectorClaims::kWindowBytes);
  EXPECT_TRUE(claims.Claim(0, 512));
  EXPECT_TRUE(claims.Claim(0, 512));
  EXPECT_TRUE(claims.Claim(SectorClaims::kWindowBytes - 512, 1024));
  EXPECT_FALSE(claims.Claim(SectorClaims::kWindowBytes, 512));
}

}  // namespace
}  // namespace platter::test
