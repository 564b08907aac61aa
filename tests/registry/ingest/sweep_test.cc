#include "registry-core/ingest/sweep.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "convert/hash/digest.h"
#include "registry-core/ingest/removal.h"
#include "tests/registry/ingest/odd_store.h"
#include "tests/registry/ingest/registry.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::registry {
namespace {

namespace fs = std::filesystem;

StagingArea StagingIn(const std::string& folder) {
  FileStoreOptions options;
  options.name = "staging";
  options.folders = {{fs::path(folder) / "staging"}};
  return StagingArea(FileStore::Open(options).value());
}

class SweepTest : public testing::Test {
 protected:
  SweepReport Swept(const SweepOptions& options = {}) {
    auto report = Sweep(*registry_.catalog, registry_.stores, &staging_, options);
    EXPECT_TRUE(report.ok()) << report.error().Describe();
    EXPECT_TRUE(report.value().problems.empty());
    return report.value();
  }
  std::string PathOf(const ImageRecord& image) { return image.locations.at(0).url.substr(7); }

  const test::TempDir folder_;
  const std::string home_ = folder_.path().lexically_normal().string();
  Registry registry_{home_};
  const StagingArea staging_ = StagingIn(home_);
};

TEST_F(SweepTest, WhatIsAliveIsLeftAlone) {
  const ImageRecord image = registry_.Queued("raw");
  auto upload = Upload::Begin(registry_.context, image.id, Upload::Way::kDirect, "", std::nullopt).value();
  ASSERT_TRUE(upload->Feed(Noise(100000)).ok());
  const ImageRecord imported = registry_.Queued("raw");
  const auto claim = staging_.Claim(imported.id).value();
  const auto import = [](ImageRecord& record) -> Result<> {
    record.status = Status::kImporting;
    return Done{};
  };
  ASSERT_TRUE(registry_.catalog->Change(imported.id, import).ok());
  const SweepReport report = Swept();
  EXPECT_TRUE(report.requeued.empty() && report.orphans.empty() && report.leftovers == 0);
  EXPECT_EQ(registry_.StatusOf(image.id), Status::kSaving);
  EXPECT_EQ(registry_.StatusOf(imported.id), Status::kImporting);
  EXPECT_TRUE(upload->Finish().ok());
}

TEST_F(SweepTest, WhatNobodyWorksOnGoesBackToQueued) {
  std::vector<std::string> ids;
  for (const Status status : {Status::kSaving, Status::kUploading, Status::kImporting}) {
    const auto move = [&](ImageRecord& record) -> Result<> {
      record.status = status;
      record.size = 5;
      return Done{};
    };
    ids.push_back(registry_.Queued("raw").id);
    ASSERT_TRUE(registry_.catalog->Change(ids.back(), move).ok());
  }
  TaskRecord task;
  task.id = NewIdentifier();
  task.type = "api_image_import";
  task.status = "processing";
  task.image = ids[2];
  task.created = task.updated = Now();
  ASSERT_TRUE(registry_.catalog->InsertTask(task).ok());
  // Without the staging area nobody can tell whether an import lives.
  EXPECT_EQ(Sweep(*registry_.catalog, registry_.stores, nullptr).value().requeued, std::vector{ids[0]});
  EXPECT_EQ(Swept().requeued.size(), 2U);
  for (const std::string& id : ids) {
    EXPECT_EQ(registry_.StatusOf(id), Status::kQueued);
    EXPECT_FALSE(registry_.catalog->Find(id).value().size);
  }
  const TaskRecord ended = registry_.catalog->FindTask(task.id).value();
  EXPECT_EQ(ended.status, "failure");
  EXPECT_EQ(ended.expires, ended.updated + kTaskLifetime);
  EXPECT_TRUE(Swept().requeued.empty());
}

TEST_F(SweepTest, AnImportThatEndsMeanwhileHasNotFailed) {
  TaskRecord task;
  task.id = NewIdentifier();
  task.type = "api_image_import";
  task.status = "processing";
  task.image = registry_.Queued("raw").id;
  task.created = task.updated = Now();
  ASSERT_TRUE(registry_.catalog->InsertTask(task).ok());
  auto claim = staging_.Claim(task.image).value();
  const auto end = [&] {
    task.status = "success";
    EXPECT_TRUE(registry_.catalog->UpdateTask(task).ok());
    claim.reset();
  };
  Registry beside(home_, {}, {std::make_shared<OddStore>(end)});
  EXPECT_TRUE(Sweep(*beside.catalog, beside.stores, &staging_).value().failed_tasks.empty());
  EXPECT_EQ(registry_.catalog->FindTask(task.id).value().status, "success");
}

TEST_F(SweepTest, WhatIsStagedWaits) {
  const ImageRecord image = registry_.Queued("raw");
  auto writer = staging_.store().Put(image.id, 10).value();
  const auto move = [&](ImageRecord& record) -> Result<> {
    record.status = Status::kUploading;
    return Done{};
  };
  ASSERT_TRUE(registry_.catalog->Change(image.id, move).ok());
  ASSERT_TRUE(writer->Commit().ok());
  writer->Leave();
  writer.reset();
  EXPECT_EQ(Swept().settled, 1U);
  EXPECT_EQ(registry_.StatusOf(image.id), Status::kUploading);
  EXPECT_TRUE(staging_.Find(image.id).value().has_value());
  ASSERT_TRUE(RemoveImage(*registry_.catalog, registry_.stores, nullptr, image.id).ok());
  EXPECT_EQ(Swept().orphans.size(), 1U);
  EXPECT_EQ(registry_.Files(), 0U);
}

TEST_F(SweepTest, BytesThatAreGoneAreReportedAndNothingElse) {
  const ImageRecord kept = registry_.Uploaded(registry_.Queued("raw"), Noise(1000)).value();
  const ImageRecord gone = registry_.Uploaded(registry_.Queued("raw"), Noise(1000)).value();
  const ImageRecord cut = registry_.Uploaded(registry_.Queued("raw"), Noise(1000)).value();
  fs::remove(PathOf(gone));
  fs::resize_file(PathOf(cut), 999);
  SweepReport report = Swept();
  std::ranges::sort(report.lost);
  std::vector<std::string> expected = {gone.id + " " + gone.locations[0].url, cut.id + " " + cut.locations[0].url};
  std::ranges::sort(expected);
  EXPECT_EQ(report.lost, expected);
  for (const ImageRecord& image : {kept, gone, cut}) EXPECT_EQ(registry_.StatusOf(image.id), Status::kActive);
}

TEST_F(SweepTest, FinishedObjectsThatNoRecordNamesAreReportedFirst) {
  auto writer = registry_.stores.default_store().Put(NewIdentifier(), 10).value();
  ASSERT_TRUE(writer->Write(Noise(10)).ok());
  const std::string url = writer->Commit().value();
  ASSERT_TRUE(writer->Settle().ok());
  EXPECT_EQ(Swept().unnamed, std::vector{url});
  EXPECT_EQ(registry_.Files(), 1U);
  EXPECT_EQ(Swept({.look_at_all = true, .remove_unnamed = true}).orphans, std::vector{url});
  EXPECT_EQ(registry_.Files(), 0U);
}

TEST_F(SweepTest, AnImageIsDeletedWithItsBytes) {
  ImageRecord image = registry_.Uploaded(registry_.Queued("raw"), Noise(1000)).value();
  image.is_protected = true;
  image = registry_.catalog->Update(image).value();
  EXPECT_EQ(RemoveImage(*registry_.catalog, registry_.stores, nullptr, image.id).error().kind(), ErrorKind::kDenied);
  image.is_protected = false;
  image = registry_.catalog->Update(image).value();
  const auto removed = RemoveImage(*registry_.catalog, registry_.stores, &staging_, image.id);
  ASSERT_TRUE(removed.ok()) << removed.error().Describe();
  EXPECT_TRUE(removed.value().left.empty());
  EXPECT_EQ(removed.value().image.status, Status::kDeleted);
  EXPECT_EQ(registry_.StatusOf(image.id), Status::kDeleted);
  EXPECT_EQ(registry_.Files(), 0U);
  EXPECT_EQ(RemoveImage(*registry_.catalog, registry_.stores, nullptr, image.id).error().kind(), ErrorKind::kNotFound);
}

// An upload may come to its end between the look at the image and its deletion.
TEST_F(SweepTest, ADeletionMeetsLocationsThatChange) {
  int changes = 0;  // that are still to come
  std::string id;
  Catalog* catalog = nullptr;
  const auto change = [&] {
    if (changes-- <= 0) return;
    const auto add = [&](ImageRecord& image) -> Result<> {
      image.locations.push_back({"odd://" + std::to_string(changes), "odd", {}});
      return Done{};
    };
    EXPECT_TRUE(catalog->Change(id, add).ok());
  };
  const Registry registry(home_ + "/odd", {}, {std::make_shared<OddStore>([] {}, change)});
  catalog = registry.catalog.get();
  ImageRecord image;
  image.id = id = NewIdentifier();
  image.status = Status::kActive;
  image.locations = {{"odd://first", "odd", {}}};
  ASSERT_TRUE(catalog->Insert(image).ok());
  changes = 1000;
  EXPECT_EQ(RemoveImage(*catalog, registry.stores, nullptr, id).error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(catalog->Find(id).value().status, Status::kActive);
  changes = 1;
  const auto removed = RemoveImage(*catalog, registry.stores, nullptr, id);
  ASSERT_TRUE(removed.ok()) << removed.error().Describe();
  EXPECT_EQ(catalog->Find(id, true).value().status, Status::kDeleted);
}

// The database does not answer while the record is to be changed.
TEST_F(SweepTest, ARemovalInDoubtIsDecidedByTheRecord) {
  const ImageRecord image = registry_.Uploaded(registry_.Queued("raw"), Noise(1000)).value();
  CatalogOptions options;
  options.wait_seconds = 1;
  const auto impatient =
      Catalog::Open(DatabaseUrl::Parse("sqlite:///" + home_ + "/registry.sqlite").value(), options).value();
  const auto in_doubt = [&] {
    const auto held = registry_.catalog->Change(registry_.Queued("raw").id, [&](ImageRecord&) -> Result<> {
      const auto removed = RemoveImage(*impatient, registry_.stores, nullptr, image.id);
      EXPECT_EQ(removed.error().kind(), ErrorKind::kIo);
      return Done{};
    });
    EXPECT_TRUE(held.ok());
    EXPECT_EQ(registry_.Files(), 2U);  // the object has a second name
  };
  in_doubt();
  EXPECT_EQ(Swept().settled, 1U);
  EXPECT_EQ(registry_.Files(), 1U);
  in_doubt();
  const auto forget = [](ImageRecord& record) -> Result<> {
    record.status = Status::kDeleted;
    record.locations.clear();
    return Done{};
  };
  ASSERT_TRUE(registry_.catalog->Change(image.id, forget).ok());
  EXPECT_EQ(Swept().orphans.size(), 1U);
  EXPECT_EQ(registry_.Files(), 0U);
}

// Processes of eight uploading threads each are killed at random moments; after each kill a sweep puts things in order.
class KillTest : public SweepTest, public testing::WithParamInterface<int> {
 protected:
  static pid_t Start(const std::vector<std::string>& words) {
    std::vector<char*> raw;
    raw.reserve(words.size() + 1);
    for (const std::string& word : words) raw.push_back(const_cast<char*>(word.c_str()));
    raw.push_back(nullptr);
    pid_t child = -1;
    EXPECT_EQ(posix_spawn(&child, raw[0], nullptr, nullptr, raw.data(), environ), 0);
    return child;
  }
  void CheckActive(std::uint64_t* active) {
    *active = 0;
    for (std::string after;;) {
      const auto page = registry_.catalog->InStates({Status::kActive}, after, 100).value();
      if (page.empty()) return;
      after = page.back().id;
      for (const ImageRecord& image : page) {
        ++*active;
        ASSERT_EQ(image.locations.size(), 1U);
        const auto bytes = test::FileBytes(PathOf(image));
        ASSERT_EQ(image.size, bytes.size());
        if (checked_.insert(image.id).second) {
          ASSERT_EQ(image.checksum, Digest::Make(DigestAlgorithm::kMd5).value().Of(bytes).value().Hex());
        }
      }
    }
  }
  std::set<std::string> checked_;
};

TEST_P(KillTest, NothingIsLostOrphanedOrStuck) {
  constexpr int kKills = 10;
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  test::Random random(seed);
  std::uint64_t active = 0;
  std::size_t requeued = 0, orphans = 0, leftovers = 0, settled = 0;
  for (int kill_at = 0; kill_at < kKills; ++kill_at) {
    const pid_t child = Start({PLATTER_UPLOADER, home_, std::to_string(random.Next() >> 1), "8"});
    ASSERT_GT(child, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random.Below(300)));
    // Somebody else's sweep in the middle of the work disturbs nothing.
    const SweepReport beside = Swept({.look_at_all = random.Below(2) == 0});
    EXPECT_TRUE(beside.lost.empty() && beside.unnamed.empty());
    EXPECT_EQ(beside.requeued.size() + beside.orphans.size(), 0U);
    std::this_thread::sleep_for(std::chrono::microseconds(random.Below(100000)));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the uploader ended by itself";
    const SweepReport report = Swept();
    EXPECT_TRUE(report.lost.empty()) << report.lost.front();
    EXPECT_TRUE(report.unnamed.empty()) << report.unnamed.front();
    requeued += report.requeued.size();
    orphans += report.orphans.size();
    leftovers += report.leftovers;
    settled += report.settled;
    EXPECT_TRUE(registry_.catalog->InStates({Status::kSaving}, "", 10).value().empty());
    CheckActive(&active);
    EXPECT_EQ(registry_.Files(), active);
    const SweepReport again = Swept();
    EXPECT_TRUE(again.requeued.empty() && again.orphans.empty() && again.leftovers == 0 && again.settled == 0);
  }
  fmt::print("seed {}: {} kills; active {}, put in order: {} records, {} objects, {} leftovers, {} settled\n", seed,
             kKills, active, requeued, orphans, leftovers, settled);
  EXPECT_GT(requeued, 0U);
}
INSTANTIATE_TEST_SUITE_P(Rounds, KillTest, testing::Range(0, 6));

// However much is staged, one image's part of it is found without looking at the rest.
TEST(StagingAreaTest, NoOthersAreLookedAt) {
  int lists = 0;
  const StagingArea staging(std::make_shared<OddStore>([&] { ++lists; }));
  EXPECT_FALSE(staging.Find(NewIdentifier()).value());
  EXPECT_TRUE(staging.Remove(NewIdentifier()).ok());
  EXPECT_EQ(lists, 0);
}

}  // namespace
}  // namespace platter::registry
