#include "formats/core/idle_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace platter {
namespace {

TEST(IdlePool, GivesOutWhatCameBackBeforeItMakesMore) {
  int made = 0;
  IdlePool<int> pool([&] { return std::make_unique<int>(++made); });
  {
    const IdlePool<int>::Lease first(pool);
    const IdlePool<int>::Lease second(pool);
    EXPECT_EQ(*first, 1);
    EXPECT_EQ(*second, 2);
  }
  {
    const IdlePool<int>::Lease first(pool);
    const IdlePool<int>::Lease second(pool);
    EXPECT_EQ(*first + *second, 3);
  }
  EXPECT_EQ(made, 2);
}

TEST(IdlePool, ServesNoTwoThreadsWithOneObject) {
  constexpr int kThreads = 4;
  std::atomic<int> made = 0;
  IdlePool<std::atomic<int>> pool([&] {
    ++made;
    return std::make_unique<std::atomic<int>>(0);
  });
  std::atomic<bool> shared = false;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2000; ++turn) {
        const IdlePool<std::atomic<int>>::Lease users(pool);
        if (users->fetch_add(1) != 0) shared = true;
        users->fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(shared);
  EXPECT_LE(made, kThreads);
}

}  // namespace
}  // namespace platter
