// Repair against qemu-img's on the same broken images, what becomes of the guest's content, and interruptions.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "formats/core/faulty_storage.h"
#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/qcow2/check.h"
#include "tests/qcow2/damaged_image.h"
#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/memory_device.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

// What the guest reads; "error: ..." where it cannot.
std::string GuestContent(const std::string& path) {
  const auto opened = TryOpenChain(path);
  return opened.ok() ? Sha256OfGuest(opened.value().chain()) : "error: " + opened.error().Describe();
}

// The same by qemu-img; "unreadable" where it refuses.
std::string GuestContentByQemu(const std::string& path) {
  const std::string raw = path + ".guest";
  const CommandResult result = RunCommand({"qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw});
  std::string digest = result.exit_code == 0 ? Sha256OfFile(raw) : "unreadable";
  std::filesystem::remove(raw);
  return digest;
}

std::vector<std::byte> BytesOf(const std::string& path) {
  std::vector<std::byte> bytes(std::filesystem::file_size(path));
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

void WriteBytes(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

bool AppliesTo(const Damage& damage, const ImageRecipe& recipe) {
  return std::ranges::find(damage.images, recipe.name) != damage.images.end();
}

class Repairs : public testing::TestWithParam<ImageRecipe> {
 protected:
  // Calls `body` with the path of an image for each damage.
  template <class Body>
  void ForEachDamage(Body&& body) {
    const TempDir folder;
    const ImageBytes intact(MakeImage(GetParam(), folder.path().string()));
    for (const Damage& damage : Damages()) {
      if (!AppliesTo(damage, GetParam())) continue;
      SCOPED_TRACE(damage.name);
      ImageBytes broken = intact;
      damage.apply(broken);
      const std::string ours = folder.File("ours.qcow2");
      const std::string theirs = folder.File("theirs.qcow2");
      broken.Save(ours);
      broken.Save(theirs);
      body(damage, ours, theirs);
    }
  }
};

TEST_P(Repairs, LeaksAsQemu) {
  ForEachDamage([](const Damage&, const std::string& ours, const std::string& theirs) {
    EXPECT_EQ(Differences(CheckByQemu(theirs, Repair::kLeaks), CheckByUs(ours, Repair::kLeaks)), "");
  });
}

TEST_P(Repairs, AllAsQemuOrBetter) {
  ForEachDamage([](const Damage& damage, const std::string& ours, const std::string& theirs) {
    const std::string content = GuestContent(ours);
    const Verdict qemu = CheckByQemu(theirs, Repair::kAll);
    const Verdict verdict = CheckByUs(ours, Repair::kAll);
    const std::string differences = DifferencesInCounts(qemu, verdict);
    EXPECT_EQ(differences.empty(), damage.repair_differs.empty()) << differences;
    if (verdict.error.empty()) {
      EXPECT_EQ(CheckByQemu(ours).exit_code, verdict.exit_code);
    }
    if (!content.starts_with("error") && !damage.shows_table_to_guest) {
      EXPECT_EQ(GuestContent(ours), content);
    }
  });
}

// In our dialect: what is called sound, before a repair or after it, can be read.
TEST_P(Repairs, WhatIsSoundCanBeRead) {
  ForEachDamage([](const Damage& damage, const std::string& ours, const std::string&) {
    if (damage.name == "entry_made_compressed") return;  // what is no stream shows when it is inflated
    for (const Repair repair : {Repair::kNothing, Repair::kLeaks, Repair::kAll}) {
      const Verdict verdict = CheckByUs(ours, repair, Dialect::kPlatter);
      if (verdict.exit_code != 0 && verdict.exit_code != 3) continue;
      EXPECT_FALSE(GuestContent(ours).starts_with("error")) << static_cast<int>(repair) << ": " << GuestContent(ours);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Images, Repairs, testing::ValuesIn(ImageRecipes()),
                         [](const auto& row) { return row.param.name; });

class RepairsOnDevice : public Repairs {};

// A device cannot grow, and what lies behind the image is anything.
TEST_P(RepairsOnDevice, StayInsideIt) {
  ForEachDamage([](const Damage& damage, const std::string& path, const std::string&) {
    const std::string content = GuestContent(path);
    std::vector<std::byte> bytes = BytesOf(path);
    bytes.resize(bytes.size() + (std::size_t{2} << 20), std::byte{0xA5});
    const auto device = std::make_shared<MemoryDevice>(path, bytes);
    const Verdict verdict = CheckByUs(device, Repair::kAll);
    ASSERT_EQ(device->size(), bytes.size());
    WriteBytes(path, device->Snapshot());
    if (verdict.error.empty()) {
      EXPECT_EQ(CheckByUs(device).exit_code, verdict.exit_code);
      EXPECT_EQ(CheckByQemu(path).exit_code, verdict.exit_code);
    }
    if (!content.starts_with("error") && !damage.shows_table_to_guest) {
      EXPECT_EQ(GuestContent(path), content);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Images, RepairsOnDevice,
                         testing::Values(FindRecipe("clusters512"), FindRecipe("bitmaps"), FindRecipe("lazy"),
                                         FindRecipe("refcounts1"), FindRecipe("snapshots")),
                         [](const auto& row) { return row.param.name; });

struct Interruption {
  const char* image;
  const char* damage;
};
void PrintTo(const Interruption& row, std::ostream* out) { *out << row.image << " " << row.damage; }

class Interrupted : public testing::TestWithParam<Interruption> {};

// A crash before any of its writes costs the guest nothing, and the next repair finishes the work.
TEST_P(Interrupted, RepairLosesNothing) {
  const TempDir folder;
  ImageBytes broken(MakeImage(FindRecipe(GetParam().image), folder.path().string()));
  std::ranges::find(Damages(), GetParam().damage, &Damage::name)->apply(broken);
  const std::string path = folder.File("crashed.qcow2");
  broken.Save(path);
  const std::string content = GuestContentByQemu(path);
  ASSERT_NE(content, "unreadable");
  for (std::uint64_t write = 0;; ++write) {
    SCOPED_TRACE(write);
    auto memory = std::make_shared<MemoryStorage>("memory", broken.bytes);
    auto faulty = std::make_shared<FaultyStorage>(memory, FaultPlan{.crash_before_write = write});
    const Verdict verdict = CheckByUs(faulty, Repair::kAll);
    if (verdict.error.empty()) {
      EXPECT_GT(write, 0u);
      break;
    }
    WriteBytes(path, memory->Snapshot());
    EXPECT_EQ(GuestContentByQemu(path), content);
    EXPECT_EQ(CheckByUs(path, Repair::kAll).exit_code, 0);
    EXPECT_EQ(CheckByQemu(path).exit_code, 0);
    EXPECT_EQ(GuestContentByQemu(path), content);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Interrupted,
    testing::Values(Interruption{"clusters512", "entry_dropped"}, Interruption{"plain", "entry_copied_flag"},
                    Interruption{"plain", "block_missing"}, Interruption{"plain", "table_outside"},
                    Interruption{"refcounts1", "refcount_too_low"},
                    Interruption{"snapshots", "refcount_shared_too_low"},
                    Interruption{"snapshots", "snapshot_without_extra_data"},
                    Interruption{"snapshots", "snapshot_forgotten"}, Interruption{"extended", "entry_twice"},
                    Interruption{"lazy", "dirty_with_lost_counts"}, Interruption{"plain", "marked_corrupt"}));

TEST(Repairs, NoDataThatAnL1EntryNames) {
  const TempDir folder;
  ImageBytes broken(MakeImage(FindRecipe("clusters4k"), folder.path().string()));
  std::ranges::find(Damages(), "l1_at_data", &Damage::name)->apply(broken);
  const auto data = [](const ImageBytes& image) {
    const std::uint64_t at = image.U64(image.StandardEntry(2)) & qcow2::kOffsetMask;
    return std::vector(image.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                       image.bytes.begin() + static_cast<std::ptrdiff_t>(at + image.header.cluster_size()));
  };
  const std::string path = folder.File("broken.qcow2");
  broken.Save(path);
  EXPECT_EQ(CheckByUs(path, Repair::kAll).exit_code, 2);
  EXPECT_EQ(data(ImageBytes(path)), data(broken));
}

TEST(Repairs, DirtyImageOfKilledWriter) {
  const TempDir folder;
  const std::string path = MakeImage(FindRecipe("lazy"), folder.path().string());
  RunCommand({"qemu-io", "-f", "qcow2", "-c", "write -P 1 8M 64k", "-c", "sigraise 9", path});
  EXPECT_EQ(ImageBytes(path).header.incompatible_features & qcow2::kIncompatDirty, qcow2::kIncompatDirty);
  const std::string content = GuestContent(path);
  const std::string copy = folder.File("copy.qcow2");
  std::filesystem::copy_file(path, copy);
  EXPECT_EQ(Differences(CheckByQemu(path), CheckByUs(path)), "");
  EXPECT_EQ(DifferencesInCounts(CheckByQemu(copy, Repair::kAll), CheckByUs(path, Repair::kAll)), "");
  EXPECT_EQ(ImageBytes(path).header.incompatible_features, 0u);
  EXPECT_EQ(GuestContent(path), content);
}

// Random bytes in random places: whatever they say, the check ends, and what a repair leaves can be checked again.
TEST(Check, SurvivesRandomDamage) {
  const TempDir folder;
  constexpr int kRounds = 60;
  for (const char* name : {"plain", "snapshots", "extended", "bitmaps", "clusters4k", "data_file", "refcounts1"}) {
    const ImageBytes intact(MakeImage(FindRecipe(name), folder.path().string()));
    std::vector<std::uint64_t> places = {0, intact.header.refcount_table_offset, intact.FirstRefcountBlock(),
                                         intact.header.l1_table_offset, intact.FirstL2()};
    if (intact.header.snapshot_count != 0) places.push_back(intact.header.snapshots_offset);
    if (intact.header.bitmaps) places.push_back(intact.header.bitmaps->directory_offset);
    Random random(1);
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(round));
      std::vector<std::byte> bytes = intact.bytes;
      for (std::uint64_t flips = 1 + random.Below(6); flips > 0; --flips) {
        bytes[random.Pick(places) + random.Below(200)] = static_cast<std::byte>(random.Next());
      }
      auto memory = std::make_shared<MemoryStorage>("memory", std::move(bytes));
      CheckByUs(memory);
      const Verdict repaired = CheckByUs(memory, Repair::kAll);
      if (repaired.error.empty()) {
        EXPECT_EQ(CheckByUs(memory).error, "");
      }
    }
  }
}

// References strewn over a file that is nearly all hole.
TEST(Check, RefusesToCountWithoutBound) {
  const TempDir folder;
  ImageBytes image(MakeImage(FindRecipe("clusters512"), folder.path().string()));
  for (std::size_t n = 0; n < 12; ++n) image.Put64(image.StandardEntry(n), qcow2::kCopied | (n + 1) << 36);
  const std::string path = folder.File("sparse.qcow2");
  image.Save(path);
  std::filesystem::resize_file(path, std::uint64_t{1} << 40);
  auto file = FileStorage::Open(path, {});
  ASSERT_TRUE(file.ok());
  CheckRequest request;
  request.storage = std::move(file).value();
  request.log = [](const std::string&) {};
  EXPECT_TRUE(qcow2::Check(request).ok());
  request.context.limits.metadata_bytes = 0;
  const auto refused = qcow2::Check(request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kLimit);
}

}  // namespace
}  // namespace platter::test
