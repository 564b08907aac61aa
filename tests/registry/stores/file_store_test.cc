#include "registry-core/stores/file_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "registry-core/model/image_record.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"
#include "tests/support/mounted.h"
#include "tests/support/noise.h"
#include "tests/support/temp_dir.h"

namespace platter::registry {
namespace {

namespace fs = std::filesystem;
using test::AllZero;
using test::FileBytes;
using test::Mounted;
using test::Noise;
using test::SameBytes;
using test::TempDir;
using Bytes = std::vector<std::byte>;

class FileStoreTest : public testing::Test {
 protected:
  std::shared_ptr<FileStore> Open(FileStoreOptions options = {}) const {
    if (options.folders.empty()) options.folders = {{File("store")}};
    auto store = FileStore::Open(std::move(options));
    EXPECT_TRUE(store.ok()) << store.error().Describe();
    return std::move(store).value();
  }
  static std::string Stored(Store& store, const std::string& id, const Bytes& bytes) {
    auto writer = store.Put(id, bytes.size());
    EXPECT_TRUE(writer.ok()) << writer.error().Describe();
    EXPECT_TRUE(writer.value()->Write(bytes).ok());
    const auto url = writer.value()->Commit();
    EXPECT_TRUE(url.ok()) << url.error().Describe();
    EXPECT_TRUE(writer.value()->Settle().ok());
    return url.value();
  }
  static std::vector<Store::Listed> Listed(Store& store) {
    std::vector<Store::Listed> all;
    EXPECT_TRUE(store
                    .List(Store::Scope::kAll,
                          [&](const Store::Listed& listed) -> Result<> {
                            all.push_back(listed);
                            return Done{};
                          })
                    .ok());
    return all;
  }
  // Regular files below the store's folder.
  std::size_t Files() const {
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(File("store"))) files += entry.is_regular_file();
    return files;
  }
  static std::string PathOfUrl(const std::string& url) { return url.substr(std::string("file://").size()); }

  // TMPDIR may end with a slash; URLs have one slash where paths may have two.
  std::string File(const std::string& name) const { return (folder_.path() / name).lexically_normal().string(); }

  const TempDir folder_;
};

TEST_F(FileStoreTest, AnObjectComesBackInPiecesOfAnySize) {
  const auto store = Open();
  test::Random random(20261129);
  for (int round = 0; round < 20; ++round) {
    const std::string id = NewIdentifier();
    test::GuestDisk disk = test::RandomGuest(random.Next(), 1 + random.Below(3 << 20), 1);
    const Bytes bytes = disk.Content();
    auto writer = store->Put(id, std::nullopt).value();
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece =
          std::min<std::size_t>(1 + random.Below(random.Below(2) ? 300000 : 3000), bytes.size() - at);
      const auto part = std::span(bytes).subspan(at, piece);
      ASSERT_TRUE((AllZero(part) ? writer->WriteZeros(piece) : writer->Write(part)).ok());
      at += piece;
      if (random.Below(8) == 0) {
        Bytes back(at);
        ASSERT_TRUE(writer->Written()->ReadAt(0, back).ok());
        ASSERT_TRUE(SameBytes(back, std::span(bytes).first(at)));
      }
    }
    const std::string url = writer->Commit().value();
    ASSERT_TRUE(writer->Settle().ok());
    EXPECT_EQ(url, "file://" + File("store") + "/" + id.substr(0, 2) + "/" + id.substr(2, 2) + "/" + id);
    EXPECT_TRUE(SameBytes(FileBytes(PathOfUrl(url)), bytes));
    const auto reader = store->Get(url).value();
    EXPECT_EQ(reader->size(), bytes.size());
    EXPECT_EQ(store->SizeOf(url).value(), bytes.size());
    Bytes back(bytes.size());
    for (std::size_t at = 0; at < back.size();) at += reader->ReadSome(at, std::span(back).subspan(at)).value();
    EXPECT_TRUE(SameBytes(back, bytes));
    EXPECT_EQ(lseek(reader->fd(), 0, SEEK_END), static_cast<off_t>(bytes.size()));
    Bytes opened(bytes.size());
    ASSERT_TRUE(store->Open(url).value()->ReadAt(0, opened).ok());
    EXPECT_TRUE(SameBytes(opened, bytes));
  }
}

TEST_F(FileStoreTest, ZerosTakeNoSpace) {
  Bytes bytes(8 << 20);
  const Bytes noise = Noise(64 << 10);
  std::copy(noise.begin(), noise.end(), bytes.begin() + (1 << 20));
  for (const bool sparse : {true, false}) {
    FileStoreOptions options;
    options.folders = {{File(sparse ? "sparse" : "full")}};
    options.sparse = sparse;
    const auto store = Open(options);
    const std::string url = Stored(*store, NewIdentifier(), bytes);
    struct stat status {};
    ASSERT_EQ(stat(PathOfUrl(url).c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 8 << 20);
    if (sparse) {
      EXPECT_LE(status.st_blocks * 512, 128 << 10);
    } else {
      EXPECT_GE(status.st_blocks * 512, 8 << 20);
    }
    EXPECT_TRUE(SameBytes(FileBytes(PathOfUrl(url)), bytes));
  }
}

TEST_F(FileStoreTest, NothingIsLeftOfWhatWasNotSettled) {
  const auto store = Open();
  const std::string id = NewIdentifier();
  {
    auto writer = store->Put(id, 10).value();
    ASSERT_TRUE(writer->Write(Noise(100000)).ok());
    const auto listed = Listed(*store);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_TRUE(listed[0].unfinished && listed[0].busy);
    EXPECT_EQ(listed[0].image_id, id);
    EXPECT_EQ(listed[0].url, "");
    // Who works on it is not disturbed, in this process or in another.
    const auto taken = store->Resolve(listed[0], false);
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(taken.error().kind(), ErrorKind::kConflict);
  }
  EXPECT_EQ(Files(), 0U);
  std::string url;
  {
    auto writer = store->Put(id, 10).value();
    ASSERT_TRUE(writer->Write(Noise(1000)).ok());
    url = writer->Commit().value();
    const auto listed = Listed(*store);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_TRUE(listed[0].busy);
    EXPECT_EQ(listed[0].url, url);
  }
  EXPECT_EQ(Files(), 0U);
  EXPECT_EQ(store->Get(url).error().kind(), ErrorKind::kNotFound);
}

TEST_F(FileStoreTest, WhatAKilledProcessLeavesIsResolvedAsTheCatalogSays) {
  const auto store = Open();
  for (const bool keep : {false, true}) {
    const std::string id = NewIdentifier();
    {
      auto writer = store->Put(id, 10).value();
      ASSERT_TRUE(writer->Write(Noise(1000)).ok());
      ASSERT_TRUE(writer->Commit().ok());
      writer->Leave();
    }
    const auto listed = Listed(*store);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_TRUE(listed[0].unfinished);
    EXPECT_FALSE(listed[0].busy);
    ASSERT_TRUE(store->Resolve(listed[0], keep).ok());
    ASSERT_TRUE(store->Resolve(listed[0], keep).ok());  // by somebody else, at the same time
    EXPECT_EQ(Files(), keep ? 1U : 0U);
    EXPECT_EQ(store->Get(listed[0].url).ok(), keep);
  }
  const auto listed = Listed(*store);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_FALSE(listed[0].unfinished);
}

TEST_F(FileStoreTest, ARemovalThatEndsHalfWayIsSeen) {
  const auto store = Open();
  const std::string id = NewIdentifier();
  const std::string url = Stored(*store, id, Noise(1000));
  {
    const auto removal = store->PrepareDelete(url).value();
    const auto listed = Listed(*store);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_TRUE(listed[0].unfinished && listed[0].busy);
    EXPECT_EQ(listed[0].url, url);
  }
  EXPECT_TRUE(store->Get(url).ok());
  const pid_t child = fork();
  if (child == 0) {
    const auto removal = store->PrepareDelete(url);
    _exit(removal.ok() ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto listed = Listed(*store);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_TRUE(listed[0].unfinished && !listed[0].busy);
  ASSERT_TRUE(store->Resolve(listed[0], false).ok());
  EXPECT_EQ(Files(), 0U);
  EXPECT_EQ(store->Delete(url).error().kind(), ErrorKind::kNotFound);
}

TEST_F(FileStoreTest, ARemovalInDoubtIsLeftToASweep) {
  const auto store = Open();
  for (const bool keep : {true, false}) {
    const std::string url = Stored(*store, NewIdentifier(), Noise(10));
    store->PrepareDelete(url).value()->Leave();
    const auto listed = Listed(*store);
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_TRUE(listed[0].unfinished && !listed[0].busy);
    EXPECT_EQ(listed[0].url, url);
    ASSERT_TRUE(store->Resolve(listed[0], keep).ok());
    EXPECT_EQ(store->Get(url).ok(), keep);
    EXPECT_EQ(store->Delete(url).ok(), keep);
  }
  EXPECT_EQ(Files(), 0U);
}

TEST_F(FileStoreTest, ANameIsNeverGivenTwice) {
  const auto store = Open();
  const std::string id = NewIdentifier();
  const Bytes first = Noise(1000, 1);
  const Bytes second = Noise(1000, 2);
  const std::string one = Stored(*store, id, first);
  const std::string two = Stored(*store, id, second);
  EXPECT_NE(one, two);
  EXPECT_TRUE(SameBytes(FileBytes(PathOfUrl(one)), first));
  EXPECT_TRUE(SameBytes(FileBytes(PathOfUrl(two)), second));
  EXPECT_EQ(Listed(*store).size(), 2U);
  EXPECT_TRUE(store->Delete(one).ok());
  EXPECT_TRUE(store->Delete(two).ok());
  EXPECT_EQ(Files(), 0U);
}

TEST_F(FileStoreTest, FilesAsGlanceNamesThemAreFound) {
  const auto store = Open();
  const std::string id = NewIdentifier();
  std::ofstream(File("store/" + id)) << "hello";
  std::ofstream(File("store/notes.txt")) << "not ours";
  const std::string url = "file://" + File("store/" + id);
  EXPECT_EQ(store->SizeOf(url).value(), 5U);
  const auto listed = Listed(*store);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].url, url);
  EXPECT_TRUE(store->Delete(url).ok());
  EXPECT_EQ(Files(), 1U);
}

TEST_F(FileStoreTest, TheObjectsOfOneImageAreFound) {
  const auto store = Open({.folders = {{File("store")}, {File("other")}}});
  const std::string id = NewIdentifier();
  const std::string place = id.substr(0, 2) + "/" + id.substr(2, 2) + "/";
  EXPECT_TRUE(store->ObjectsOf(id).value().empty());
  fs::create_directories(File("store/" + place + id + ".0123456789abcdee"));
  // As it is put, as Glance keeps it, with its name taken, and before it is settled.
  std::set<std::string> wanted = {Stored(*store, id, Noise(1000))};
  for (const std::string& path : {"store/" + id, "other/" + id, "other/" + place + id}) {
    fs::create_directories(fs::path(File(path)).parent_path());
    std::ofstream(File(path)) << "hello";
    wanted.insert("file://" + File(path));
  }
  wanted.insert(Stored(*store, id, Noise(1000)));
  const auto writer = store->Put(id, 5).value();
  wanted.insert(writer->Commit().value());
  // Others, in the same folder as well.
  std::ofstream(File("store/" + place + id + ".txt")) << "not ours";
  std::ofstream(File("store/" + place + id.substr(0, 4) + NewIdentifier().substr(4))) << "another's";
  (void)Stored(*store, NewIdentifier(), Noise(1000));
  const auto found = store->ObjectsOf(id).value();
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), wanted);
  EXPECT_EQ(found.size(), wanted.size());
  EXPECT_TRUE(store->ObjectsOf("../../etc/passwd").value().empty());
}

TEST_F(FileStoreTest, UrlsThatLeadOutAreDenied) {
  const auto store = Open();
  const std::string root = File("store");
  std::ofstream(File("secret")) << "secret";
  fs::create_symlink(File("secret"), root + "/link");
  fs::create_directory(File("elsewhere"));
  std::ofstream(File("elsewhere/file")) << "secret";
  fs::create_symlink(File("elsewhere"), root + "/aa");
  ASSERT_EQ(mkfifo((root + "/fifo").c_str(), 0600), 0);
  for (const std::string url :
       {"file:///etc/passwd", "file://", "file:///", "/etc/passwd", "http://host/x", "file://host/etc/passwd"}) {
    EXPECT_FALSE(store->Owns(url)) << url;
    EXPECT_EQ(store->Get(url).error().kind(), ErrorKind::kDenied) << url;
  }
  const std::string inside = "file://" + root;
  for (const std::string& url :
       {inside + "/../secret", inside + "/./x", inside + "//secret", inside + "/aa/../../secret", inside + "/link",
        inside + "/aa/file", inside + "/", inside, inside + "x/secret", inside + "/.incoming", inside + "/fifo",
        inside + "/.incoming/x", inside + "/aa", inside + std::string("/x\0y", 4)}) {
    for (const auto& result : {store->Get(url).error().kind(), store->Open(url).error().kind(),
                               store->SizeOf(url).error().kind(), store->Delete(url).error().kind()}) {
      EXPECT_EQ(result, ErrorKind::kDenied) << url;
    }
  }
  EXPECT_EQ(store->Get(inside + "/nothing").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(store->Get(inside + "/bb/cc/nothing").error().kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(fs::exists(File("secret")));
  EXPECT_EQ(store->Put("../../etc/passwd", 1).error().kind(), ErrorKind::kInvalid);
}

TEST_F(FileStoreTest, TheFolderOfTheHighestPriorityWithRoomIsTaken) {
  FileStoreOptions options;
  options.folders = {{File("low"), 1}, {File("high"), 200}, {File("middle"), 100}};
  const auto store = Open(options);
  EXPECT_TRUE(PathOfUrl(Stored(*store, NewIdentifier(), Noise(10))).starts_with(File("high")));
  EXPECT_EQ(store->properties().size(), 3U);
  EXPECT_EQ(store->properties()[0].second, File("high"));
  const Capacity capacity = store->capacity().value();
  EXPECT_GE(capacity.total, capacity.free);
  EXPECT_GT(capacity.free, 0U);
}

TEST_F(FileStoreTest, TheModeIsSet) {
  FileStoreOptions options;
  options.folders = {{File("store")}};
  options.file_mode = 0640;
  const auto store = Open(options);
  struct stat status {};
  ASSERT_EQ(stat(PathOfUrl(Stored(*store, NewIdentifier(), Noise(10))).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  struct stat root {};
  ASSERT_EQ(stat(File("store").c_str(), &root), 0);
  EXPECT_EQ(status.st_uid, root.st_uid);
}

// As a full disk does, without one: a child may not make files larger than 1 MiB.
TEST_F(FileStoreTest, AFileThatCannotGrowIsAnErrorThatStays) {
  const auto store = Open();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto writer = store->Put(NewIdentifier(), std::nullopt).value();
    const auto first = writer->Write(Noise(2 << 20));
    const auto again = writer->Write(Noise(10));
    const bool told = !first.ok() && first.error().kind() == ErrorKind::kIo && first.error().os_error() == EFBIG &&
                      !again.ok() && !writer->Commit().ok();
    writer.reset();
    _exit(told ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Files(), 0U);
}

TEST_F(FileStoreTest, AFullDiskIsNamed) {
  const Mounted mounted(File("store"), "size=1m");
  {
    const auto store = Open();
    auto writer = store->Put(NewIdentifier(), std::nullopt).value();
    const auto written = writer->Write(Noise(2 << 20));
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().os_error(), ENOSPC);
    EXPECT_NE(written.error().Describe().find("No space left on device"), std::string::npos);
    writer.reset();
    EXPECT_EQ(Files(), 0U);
    EXPECT_TRUE(fs::exists(PathOfUrl(Stored(*store, NewIdentifier(), Noise(100 << 10)))));
  }
}

TEST_F(FileStoreTest, AFolderThatBecameReadOnlyCanStillBeRead) {
  const Mounted mounted(File("store"), "size=4m");
  {
    const Bytes bytes = Noise(1000);
    const auto store = Open();
    const std::string url = Stored(*store, NewIdentifier(), bytes);
    mounted.ReadOnly(true);
    for (const auto& each : {store, Open()}) {
      EXPECT_EQ(each->Put(NewIdentifier(), 1).error().os_error(), EROFS);
      EXPECT_EQ(each->Get(url).value()->size(), bytes.size());
      EXPECT_FALSE(each->Delete(url).ok());
      EXPECT_EQ(Listed(*each).size(), 1U);
    }
  }
}

TEST_F(FileStoreTest, AFolderThatBecameReadOnlyIsPassedOver) {
  const Mounted mounted(File("high"), "size=4m");
  FileStoreOptions options;
  options.folders = {{File("high"), 200}, {File("low"), 100}};
  const auto store = Open(options);
  EXPECT_TRUE(PathOfUrl(Stored(*store, NewIdentifier(), Noise(10))).starts_with(File("high")));
  mounted.ReadOnly(true);
  for (const auto& each : {store, Open(options)}) {
    EXPECT_TRUE(PathOfUrl(Stored(*each, NewIdentifier(), Noise(10))).starts_with(File("low")));
  }
}

TEST(StoreSetTest, NamesAreOneEach) {
  const TempDir folder;
  const auto open = [&](const std::string& name) -> std::shared_ptr<Store> {
    FileStoreOptions options;
    options.name = name;
    options.folders = {{folder.File(name)}};
    return FileStore::Open(options).value();
  };
  EXPECT_EQ(StoreSet::Make({}, "a").error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(StoreSet::Make({open("a"), open("a")}, "a").error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(StoreSet::Make({open("a")}, "b").error().kind(), ErrorKind::kInvalid);
  const StoreSet set = StoreSet::Make({open("a"), open("b")}, "b").value();
  EXPECT_EQ(set.default_store().name(), "b");
  EXPECT_EQ(set.Find("a")->name(), "a");
  EXPECT_EQ(set.Find("c"), nullptr);
  EXPECT_EQ(set.FindFor("file://" + (folder.path() / "a/x").lexically_normal().string())->name(), "a");
  EXPECT_EQ(set.FindFor("file:///etc/passwd"), nullptr);
}

}  // namespace
}  // namespace platter::registry
