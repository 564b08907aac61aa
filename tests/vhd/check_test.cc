// What the check finds in damaged images, and that it finds nothing in sound ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/vhd/opening.h"
#include "tests/vhd/vhd_file.h"

namespace platter::test {
namespace {

struct Findings {
  CheckReport report;
  std::string log;
};

Findings CheckBytes(Bytes bytes, Repair repair = Repair::kNothing) {
  Findings findings;
  CheckRequest request;
  request.storage = InMemory(std::move(bytes));
  request.repair = repair;
  request.log = [&](const std::string& line) { findings.log += line + "\n"; };
  const auto report = FindFormat("vhd")->check(request);
  if (report.ok()) {
    findings.report = report.value();
  } else {
    findings.log += report.error().Describe();
  }
  return findings;
}

SparseFields ThreeBlocks() {
  SparseFields fields;
  fields.footer.size = 10 * kMiB;
  fields.blocks = {{0, {std::byte{1}}}, {2, {std::byte{2}}}, {4, {std::byte{3}}}};
  return fields;
}

constexpr std::uint32_t kBlockSectors = 2 * kMiB / 512 + 1;

TEST(Check, FindsNothingInSoundImages) {
  const Findings sparse = CheckBytes(MakeSparse(ThreeBlocks()));
  EXPECT_EQ(sparse.log, "");
  EXPECT_EQ(sparse.report.total_clusters, 5u);
  EXPECT_EQ(sparse.report.allocated_clusters, 3u);
  EXPECT_EQ(sparse.report.fragmented_clusters, 0u);
  FooterFields fixed;
  fixed.size = kMiB;
  EXPECT_EQ(CheckBytes(MakeFixed(fixed, std::byte{1})).log, "");
}

// No program reads another disk for it.
TEST(Check, WarnsOfTheReservedBit) {
  FooterFields fixed;
  fixed.size = kMiB;
  Bytes file = MakeFixed(fixed, std::byte{1});
  PutBe(file, kMiB + 8, 0, 4);
  FixFooter(file, kMiB);
  const Findings findings = CheckBytes(file);
  EXPECT_THAT(findings.log, testing::StartsWith("WARNING footer: the reserved bit"));
  EXPECT_EQ(findings.report.corruptions, 0u);
}

struct Damage {
  const char* name;
  std::function<void(Bytes&)> apply;
  const char* line;
};

TEST(Check, FindsDamages) {
  const std::vector<Damage> damages = {
      {"no end", [](Bytes& file) { file.resize(file.size() - 512); }, "no footer at the end"},
      {"torn end", [](Bytes& file) { file[file.size() - 300] ^= std::byte{1}; }, "footer at the end of the file"},
      {"torn start", [](Bytes& file) { file[200] ^= std::byte{1}; }, "footer at the start of the file"},
      {"other id",
       [](Bytes& file) {
         file[70] ^= std::byte{1};
         FixFooter(file, 0);
       },
       "both ends of the file differ"},
      {"twice", [](Bytes& file) { PutBe(file, kTableAt + 4, 4, 4); }, "overlaps something else"},
      {"half", [](Bytes& file) { PutBe(file, kTableAt + 4, 4 + kBlockSectors / 2, 4); }, "overlaps something else"},
      {"header", [](Bytes& file) { PutBe(file, kTableAt + 4, 1, 4); }, "overlaps something else"},
      {"footer", [](Bytes& file) { PutBe(file, kTableAt + 4, 5 + 2 * kBlockSectors, 4); }, "overlaps something else"},
      {"outside", [](Bytes& file) { PutBe(file, kTableAt + 4, 0xFFFFFFFE, 4); }, "outside the file"},
      {"lost", [](Bytes& file) { PutBe(file, kTableAt + 8, 0xFFFFFFFF, 4); }, "Leaked room for 1 blocks"},
      {"bitmap", [](Bytes& file) { file[4 * 512 + 3] = std::byte{0xFD}; }, "block 0: sector 30 holds data"},
  };
  for (const Damage& damage : damages) {
    Bytes file = MakeSparse(ThreeBlocks());
    damage.apply(file);
    const Findings findings = CheckBytes(std::move(file));
    EXPECT_THAT(findings.log, testing::HasSubstr(damage.line)) << damage.name;
    EXPECT_GE(findings.report.corruptions + findings.report.leaks, 1u) << damage.name << "\n" << findings.log;
  }
}

TEST(Check, RepairsNothing) {
  EXPECT_THAT(CheckBytes(MakeSparse(ThreeBlocks()), Repair::kAll).log, testing::HasSubstr("not repaired"));
}

}  // namespace
}  // namespace platter::test
