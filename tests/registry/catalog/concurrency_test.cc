// Many threads on one catalog, and two catalogs on one database.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "tests/registry/catalog/catalog_fixture.h"
#include "tests/registry/catalog/load.h"

namespace platter::registry {
namespace {

constexpr int kThreads = 6;

class ConcurrencyTest : public CatalogTest {
 protected:
  template <class Work>
  static void InThreads(int count, const Work& work) {
    std::vector<std::jthread> threads;
    for (int at = 0; at < count; ++at) threads.emplace_back([&work, at] { work(at); });
  }
};

TEST_F(ConcurrencyTest, NoChangeIsLost) {
  ImageRecord first = Image("0");
  Stamp(first, 0);
  const std::string id = Insert(first).id;
  const auto other = Opened({});  // as another process has one
  constexpr int kChanges = 20;
  InThreads(kThreads, [&](int thread) {
    Catalog& mine = thread % 2 == 0 ? *catalog_ : *other;
    for (int change = 0; change < kChanges; ++change) {
      const auto changed = mine.Change(id, [](ImageRecord& image) -> Result<> {
        Stamp(image, std::stoi(*image.name) + 1);
        return Done{};
      });
      EXPECT_TRUE(changed.ok()) << changed.error().Describe();
    }
  });
  const ImageRecord last = catalog_->Find(id).value();
  EXPECT_EQ(last.name, std::to_string(kThreads * kChanges));
  EXPECT_EQ(last.version, 1U + kThreads * kChanges);
  EXPECT_TRUE(IsWhole(last));
}

// Of those who saw the same version, one wins; who loses hears of it.
TEST_F(ConcurrencyTest, OneUpdateOfAVersionWins) {
  const ImageRecord image = Insert(Image("one"));
  for (int round = 0; round < 10; ++round) {
    const ImageRecord seen = catalog_->Find(image.id).value();
    std::atomic<int> won = 0;
    std::atomic<int> lost = 0;
    InThreads(kThreads, [&](int thread) {
      ImageRecord mine = seen;
      Stamp(mine, thread);
      const auto updated = catalog_->Update(mine);
      if (updated.ok())
        ++won;
      else if (updated.error().kind() == ErrorKind::kConflict)
        ++lost;
      else
        ADD_FAILURE() << updated.error().Describe();
    });
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, kThreads - 1);
  }
  EXPECT_EQ(catalog_->Find(image.id).value().version, 11U);
}

TEST_F(ConcurrencyTest, OneInsertionAndOneMemberOfANameWin) {
  for (int round = 0; round < 10; ++round) {
    ImageRecord image = Image("one");
    std::atomic<int> inserted = 0;
    std::atomic<int> added = 0;
    InThreads(kThreads, [&](int thread) {
      ImageRecord mine = image;
      mine.created += std::chrono::microseconds(thread);
      const auto done = catalog_->Insert(mine);
      inserted += done.ok() ? 1 : 0;
      EXPECT_TRUE(done.ok() || done.error().kind() == ErrorKind::kExists) << done.error().Describe();
      const auto member = catalog_->AddMember({image.id, "there", MemberStatus::kPending, Now(), Now()});
      added += member.ok() ? 1 : 0;
      EXPECT_TRUE(member.ok() || member.error().kind() == ErrorKind::kExists) << member.error().Describe();
    });
    EXPECT_EQ(inserted, 1);
    EXPECT_EQ(added, 1);
  }
}

// Readers see a record as it was before a change or after it, never between.
TEST_F(ConcurrencyTest, NobodySeesHalfAChange) {
  std::vector<std::string> ids;
  for (int at = 0; at < 5; ++at) {
    ImageRecord image = Image("0");
    Stamp(image, 0);
    ids.push_back(Insert(image).id);
  }
  std::atomic<bool> ended = false;
  std::atomic<int> seen = 0;
  const auto read = [&] {
    do {
      const auto images = catalog_->List(As("here"));
      ASSERT_TRUE(images.ok()) << images.error().Describe();
      ASSERT_EQ(images.value().size(), ids.size());
      for (const ImageRecord& image : images.value()) ASSERT_TRUE(IsWhole(image)) << image.name.value_or("");
      ++seen;
    } while (!ended);
  };
  {
    std::jthread reader(read);
    std::jthread another(read);
    InThreads(3, [&](int thread) {
      for (int change = 0; change < 25; ++change) {
        const auto changed =
            catalog_->Change(ids[static_cast<std::size_t>(thread)], [&](ImageRecord& image) -> Result<> {
              Stamp(image, change);
              return Done{};
            });
        EXPECT_TRUE(changed.ok()) << changed.error().Describe();
      }
    });
    ended = true;
  }
  EXPECT_GT(seen, 1);
}

// Images come, go and change behind the back of one who turns the pages: what stays is seen once.
TEST_F(ConcurrencyTest, PagesShowWhatStaysOnce) {
  std::set<std::string> staying;
  std::vector<std::string> leaving;
  for (int at = 0; at < 90; ++at) {
    ImageRecord image = Image(fmt::format("name {}", at % 4));
    image.created = Instant(std::chrono::seconds(1000 + at / 5));
    if (at % 3 == 0)
      leaving.push_back(Insert(image).id);
    else
      staying.insert(Insert(image).id);
  }
  std::jthread changer([&] {
    for (const std::string& id : leaving) {
      const auto deleted = catalog_->Change(id, [](ImageRecord& image) -> Result<> {
        image.status = Status::kDeleted;
        image.deleted = Now();
        return Done{};
      });
      EXPECT_TRUE(deleted.ok()) << deleted.error().Describe();
      ImageRecord come = Image("name 1");
      come.created = Instant(std::chrono::seconds(1003));
      Insert(come);
      // What is sorted by stays as it is.
      const auto changed = catalog_->Change(*staying.begin(), [](ImageRecord& image) -> Result<> {
        image.min_ram += 1;
        return Done{};
      });
      EXPECT_TRUE(changed.ok()) << changed.error().Describe();
    }
  });
  const std::vector<std::vector<SortKey>> sorts = {
      {}, {{Sort::kName, true}}, {{Sort::kCreatedAt, true}, {Sort::kName, false}}};
  for (int round = 0; round < 6; ++round) {
    ImageQuery query = As("here");
    query.sort = sorts[static_cast<std::size_t>(round) % sorts.size()];
    query.limit = 7;
    std::vector<std::string> seen;
    for (;;) {
      const auto page = catalog_->List(query);
      if (!page.ok() && page.error().kind() == ErrorKind::kNotFound && seen.size() > 1) {
        // The marker has been deleted meanwhile: a client goes on behind the one before it.
        seen.pop_back();
        query.marker = seen.back();
        continue;
      }
      ASSERT_TRUE(page.ok()) << page.error().Describe();
      for (const ImageRecord& image : page.value()) seen.push_back(image.id);
      if (page.value().size() < query.limit) break;
      query.marker = seen.back();
    }
    for (const std::string& id : staying) EXPECT_EQ(std::ranges::count(seen, id), 1) << id << ", round " << round;
    const std::set<std::string> once(seen.begin(), seen.end());
    EXPECT_EQ(once.size(), seen.size()) << "round " << round;
  }
}

// More threads than connections wait for their turn.
TEST_F(ConcurrencyTest, FewConnectionsServeMany) {
  CatalogOptions options;
  options.connections = 2;
  const auto narrow = Opened(options);
  std::atomic<int> done = 0;
  InThreads(12, [&](int) {
    for (int at = 0; at < 5; ++at) {
      const auto inserted = narrow->Insert(Image("x"));
      EXPECT_TRUE(inserted.ok()) << inserted.error().Describe();
      const auto found = narrow->List(As("here"));
      EXPECT_TRUE(found.ok()) << found.error().Describe();
      ++done;
    }
  });
  EXPECT_EQ(done, 60);
  EXPECT_EQ(narrow->UsageOf("here").value().images, 60U);
}

}  // namespace
}  // namespace platter::registry
