#include <algorithm>
#include <tuple>

#include "tests/registry/catalog/catalog_fixture.h"

namespace platter::registry {
namespace {

using Key = std::tuple<std::string, Instant, std::string>;

std::string Leading(TaskSort sort, const TaskRecord& task) {
  switch (sort) {
    case TaskSort::kId:
      return task.id;
    case TaskSort::kType:
      return task.type;
    case TaskSort::kStatus:
      return task.status;
    case TaskSort::kUpdatedAt:
      return std::to_string(task.updated.time_since_epoch().count());
    case TaskSort::kCreatedAt:
      break;
  }
  return "";
}

TEST_F(CatalogTest, TasksComeInTheOrderThatIsAskedForPageByPage) {
  std::vector<TaskRecord> made;
  const Instant start = Now();
  for (int i = 0; i < 23; ++i) {
    TaskRecord task;
    task.id = NewIdentifier();
    task.type = i % 3 == 0 ? "import" : "api_image_import";
    task.status = std::array{"pending", "processing", "success", "failure"}[static_cast<std::size_t>(i) % 4];
    task.created = start + std::chrono::seconds(i / 2);
    task.updated = start + std::chrono::seconds(30 - i / 3);
    ASSERT_TRUE(catalog_->InsertTask(task).ok());
    made.push_back(task);
  }
  for (const TaskSort sort :
       {TaskSort::kCreatedAt, TaskSort::kUpdatedAt, TaskSort::kId, TaskSort::kType, TaskSort::kStatus}) {
    for (const bool descending : {true, false}) {
      std::vector<Key> wanted;
      wanted.reserve(made.size());
      for (const TaskRecord& task : made) wanted.emplace_back(Leading(sort, task), task.created, task.id);
      std::ranges::sort(wanted);
      if (descending) std::ranges::reverse(wanted);
      TaskQuery query;
      query.viewer.admin = true;
      query.sort = sort;
      query.newest_first = descending;
      query.limit = 5;
      std::vector<Key> listed;
      while (true) {
        const auto page = catalog_->ListTasks(query);
        ASSERT_TRUE(page.ok()) << page.error().Describe();
        for (const TaskRecord& task : page.value()) listed.emplace_back(Leading(sort, task), task.created, task.id);
        if (page.value().empty()) break;
        query.marker = page.value().back().id;
      }
      EXPECT_EQ(listed, wanted) << static_cast<int>(sort) << descending;
    }
  }
}

TEST_F(CatalogTest, TasksThatHaveExpiredAreRemoved) {
  const Instant now = Now();
  std::vector<std::string> kept;
  for (int i = 0; i < 9; ++i) {
    TaskRecord task;
    task.id = NewIdentifier();
    task.type = "api_image_import";
    task.status = "success";
    task.created = task.updated = now;
    if (i % 3 != 0) task.expires = now + std::chrono::hours(i % 3 == 1 ? -i : i);
    ASSERT_TRUE(catalog_->InsertTask(task).ok());
    if (i % 3 != 1) kept.push_back(task.id);
  }
  EXPECT_EQ(catalog_->PurgeTasks(now, 2).value(), 2U);
  EXPECT_EQ(catalog_->PurgeTasks(now, 10).value(), 1U);
  EXPECT_EQ(catalog_->PurgeTasks(now, 10).value(), 0U);
  TaskQuery query;
  query.viewer.admin = true;
  EXPECT_EQ(catalog_->ListTasks(query).value().size(), kept.size());
  for (const std::string& id : kept) EXPECT_TRUE(catalog_->FindTask(id).ok()) << id;
}

}  // namespace
}  // namespace platter::registry
