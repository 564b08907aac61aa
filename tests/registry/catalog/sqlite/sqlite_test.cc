// What befalls a file: other programs' locks, a full disk, a place that is none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "registry-core/catalog/catalog.h"
#include "registry-core/catalog/connection.h"
#include "tests/registry/catalog/load.h"
#include "tests/support/mounted.h"
#include "tests/support/temp_dir.h"

namespace platter::registry {
namespace {

class SqliteTest : public testing::Test {
 protected:
  static DatabaseUrl UrlOf(const std::string& path) { return DatabaseUrl::Parse("sqlite:///" + path).value(); }
  static std::unique_ptr<Catalog> Open(const std::string& path) {
    CatalogOptions options;
    options.wait_seconds = 1;
    auto opened = Catalog::Open(UrlOf(path), options, true);
    if (!opened.ok()) throw std::runtime_error(opened.error().Describe());
    return std::move(opened).value();
  }
  // As large as its number of kibibytes.
  static ImageRecord Image(std::size_t kibibytes = 0) {
    ImageRecord image;
    image.id = NewIdentifier();
    image.owner = "here";
    image.created = image.updated = Now();
    if (kibibytes != 0) image.properties = {{"bulk", std::string(kibibytes << 10, 'x')}};
    return image;
  }
  static std::vector<ImageRecord> All(Catalog& catalog) {
    ImageQuery query;
    query.viewer.project = "here";
    query.limit = 1000;
    auto images = catalog.List(query);
    EXPECT_TRUE(images.ok()) << images.error().Describe();
    return images.ok() ? std::move(images).value() : std::vector<ImageRecord>();
  }
  static void ExpectSound(const std::string& path) {
    const auto connection = Connection::Open(UrlOf(path), 10).value();
    EXPECT_EQ(connection->Select(Sql("PRAGMA integrity_check"), 1).value(), (std::vector<Row>{{"ok"}}));
    EXPECT_TRUE(connection->Select(Sql("PRAGMA foreign_key_check"), 4).value().empty());
  }

  test::TempDir folder_;
};

// Another program, which keeps the file locked for as long as the object lives.
class Locker {
 public:
  Locker(const std::string& database, std::string marker) {
    const std::string script = fmt::format(
        "import sqlite3, sys; c = sqlite3.connect('{}', isolation_level=None); c.execute('BEGIN EXCLUSIVE'); "
        "open('{}', 'w').close(); sys.stdin.read()",
        database, marker);
    process_ = popen(fmt::format("/usr/bin/python3 -c \"{}\"", script).c_str(), "we");
    while (!std::filesystem::exists(marker)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ~Locker() { EXPECT_EQ(pclose(process_), 0); }
  Locker(const Locker&) = delete;
  Locker& operator=(const Locker&) = delete;

 private:
  std::FILE* process_;
};

TEST_F(SqliteTest, AnotherProgramsLockIsWaitedForAndThenAnError) {
  const std::string path = folder_.File("registry.sqlite");
  const auto catalog = Open(path);
  const ImageRecord image = catalog->Insert(Image()).value();
  {
    const Locker locker(path, folder_.File("locked"));
    EXPECT_EQ(catalog->Insert(Image()).error().kind(), ErrorKind::kIo);
    EXPECT_EQ(catalog->Change(image.id, [](ImageRecord&) -> Result<> { return Done{}; }).error().kind(),
              ErrorKind::kIo);
    EXPECT_TRUE(catalog->Find(image.id).ok());  // readers go on
  }
  EXPECT_TRUE(catalog->Insert(Image()).ok());
  EXPECT_EQ(catalog->Find(image.id).value().version, 1U);
  EXPECT_EQ(All(*catalog).size(), 2U);
  ExpectSound(path);
}

TEST_F(SqliteTest, AFullDiskIsAnErrorUntilThereIsRoom) {
  const test::Mounted mounted(folder_.File("disk"), "size=4m");
  const std::string path = mounted.path() + "/registry.sqlite";
  const std::string ballast = mounted.path() + "/ballast";
  const auto catalog = Open(path);
  std::ofstream(ballast) << std::string(std::size_t{2} << 20, 'b');
  std::vector<ImageRecord> stored;
  for (int at = 0;; ++at) {
    ASSERT_LT(at, 1000);
    auto inserted = catalog->Insert(Image(60));
    if (!inserted.ok()) {
      EXPECT_EQ(inserted.error().kind(), ErrorKind::kIo);
      EXPECT_NE(inserted.error().Describe().find("full"), std::string::npos) << inserted.error().Describe();
      break;
    }
    stored.push_back(std::move(inserted).value());
  }
  EXPECT_FALSE(stored.empty());
  const std::vector<ImageRecord> while_full = All(*catalog);
  EXPECT_EQ(while_full.size(), stored.size());
  for (const ImageRecord& image : while_full) EXPECT_EQ(image.properties, stored[0].properties);
  std::filesystem::remove(ballast);
  EXPECT_TRUE(catalog->Insert(Image(60)).ok());
  EXPECT_EQ(All(*catalog).size(), stored.size() + 1);
  ExpectSound(path);
}

TEST_F(SqliteTest, AFullDiskUnderLoadLeavesNothingHalfDone) {
  const test::Mounted mounted(folder_.File("disk"), "size=8m");
  const std::string ballast = mounted.path() + "/ballast";
  const auto catalog = Open(mounted.path() + "/registry.sqlite");
  Load load(*catalog, 3);
  for (int round = 0; round < 3; ++round) {
    load.AwaitChanges(5);
    {
      std::ofstream file(ballast);
      const std::string part(4096, 'b');
      while (file.write(part.data(), static_cast<std::streamsize>(part.size())).flush()) {
      }
    }
    // The file's log begins anew now and then, and has room until then for what is smaller than it has ever been.
    TaskRecord task;
    task.id = NewIdentifier();
    task.input = std::string(std::size_t{9} << 20, 'x');
    const auto inserted = catalog->InsertTask(task);
    ASSERT_FALSE(inserted.ok());
    EXPECT_EQ(inserted.error().kind(), ErrorKind::kIo);
    std::filesystem::remove(ballast);
  }
  load.AwaitChanges(5);
  load.EndAndCheck();
  ExpectSound(mounted.path() + "/registry.sqlite");
}

TEST_F(SqliteTest, APlaceThatIsNoneIsAnError) {
  const auto opened = Catalog::Open(UrlOf(folder_.File("missing/registry.sqlite")), {}, true);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind(), ErrorKind::kIo);
  std::ofstream(folder_.File("text")) << std::string(5000, 't');
  const auto text = Catalog::Open(UrlOf(folder_.File("text")), {}, true);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(std::filesystem::file_size(folder_.File("text")), 5000U);
}

}  // namespace
}  // namespace platter::registry
