#include <gtest/gtest.h>

#include <algorithm>

#include "tests/registry/catalog/catalog_fixture.h"

namespace platter::registry {
namespace {

TEST_F(CatalogTest, ARecordComesBackWhole) {
  ImageRecord image = Image("it's a \"\xC3\xBC\" \\ : :p1 ?");
  image.visibility = Visibility::kCommunity;
  image.is_protected = image.hidden = true;
  image.disk_format = "qcow2";
  image.container_format = "bare";
  image.min_disk = 3;
  image.min_ram = 512;
  image.size = 9223372036854775807U;
  image.virtual_size = 0;
  image.checksum = "d41d8cd98f00b204e9800998ecf8427e";
  image.hash_algorithm = "sha512";
  image.hash_value = std::string(128, 'a');
  image.tags = {"a", "A", "b c", ""};
  image.properties = {{"os", "linux"}, {"empty", ""}, {"long", std::string(kMostValueBytes, 'x')}};
  image.locations = {{"file:///a", "here", {{"k", "\"v\""}}}, {"https://b", "", {}}};
  const ImageRecord stored = Insert(image);
  image.version = 1;
  ExpectEqual(stored, image);
  ExpectEqual(catalog_->Find(image.id).value(), image);

  image.name.reset();
  image.owner.reset();
  image.size.reset();
  image.tags = {"z"};
  image.properties.clear();
  image.locations.pop_back();
  image.status = Status::kSaving;
  const ImageRecord updated = catalog_->Update(image).value();
  image.version = 2;
  ExpectEqual(updated, image);
  ExpectEqual(catalog_->Find(image.id).value(), image);
}

TEST_F(CatalogTest, ChangesNeedTheVersionAndAMove) {
  const ImageRecord image = Insert(Image("one"));
  EXPECT_EQ(catalog_->Insert(image).error().kind(), ErrorKind::kExists);
  ImageRecord first = image;
  first.name = "two";
  ASSERT_TRUE(catalog_->Update(first).ok());
  EXPECT_EQ(catalog_->Update(image).error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(catalog_->Update(Image("none")).error().kind(), ErrorKind::kNotFound);
  ImageRecord leap = catalog_->Find(image.id).value();
  leap.status = Status::kDeactivated;
  EXPECT_EQ(catalog_->Update(leap).error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(catalog_->Find(image.id).value().version, 2U);
  ImageRecord huge = catalog_->Find(image.id).value();
  huge.size = 9223372036854775808U;
  EXPECT_EQ(catalog_->Update(huge).error().kind(), ErrorKind::kInvalid);
  huge.size.reset();
  huge.name = std::string("a\0b", 3);
  EXPECT_EQ(catalog_->Update(huge).error().kind(), ErrorKind::kInvalid);
}

TEST_F(CatalogTest, WhatAnOwnerUses) {
  const auto insert = [&](std::optional<std::string> owner, Status status, std::optional<std::uint64_t> size,
                          std::size_t locations) {
    ImageRecord image = Image("x");
    image.owner = std::move(owner);
    image.status = status;
    image.size = size;
    for (std::size_t at = 0; at < locations; ++at)
      image.locations.push_back({"file:///" + std::to_string(at), "here", {}});
    Insert(image);
  };
  insert("here", Status::kActive, 1000, 2);
  insert("here", Status::kSaving, 200, 0);
  insert("here", Status::kSaving, std::nullopt, 0);
  insert("here", Status::kUploading, 30, 0);
  insert("here", Status::kImporting, 4, 0);
  insert(std::nullopt, Status::kActive, 5, 1);
  const Usage usage = catalog_->UsageOf("here").value();
  EXPECT_EQ(usage.images, 5U);
  EXPECT_EQ(usage.bytes, 2200U);
  EXPECT_EQ(usage.uploading, 4U);
  EXPECT_EQ(usage.staged, 34U);
  EXPECT_EQ(usage.importing, 4U);
  EXPECT_EQ(catalog_->UsageOf(std::nullopt).value().bytes, 5U);
  EXPECT_EQ(catalog_->UsageOf("there").value().images, 0U);
}

TEST_F(CatalogTest, EveryoneSeesWhatIsTheirs) {
  const auto insert = [&](std::string name, Visibility visibility, std::string owner) {
    ImageRecord image = Image(std::move(name), std::move(owner));
    image.visibility = visibility;
    return Insert(image);
  };
  insert("mine", Visibility::kPrivate, "here");
  insert("my community", Visibility::kCommunity, "here");
  insert("theirs", Visibility::kPrivate, "there");
  const ImageRecord shared = insert("shared", Visibility::kShared, "there");
  insert("community", Visibility::kCommunity, "there");
  insert("public", Visibility::kPublic, "there");
  ASSERT_TRUE(catalog_->AddMember({shared.id, "here", MemberStatus::kPending, Now(), Now()}).ok());

  using Names = std::vector<std::string>;
  EXPECT_EQ(this->Names(As("here")), (Names{"public", "my community", "mine"}));
  ImageQuery pending = As("here");
  pending.member_status = MemberStatus::kPending;
  EXPECT_EQ(this->Names(pending), (Names{"public", "shared", "my community", "mine"}));
  ASSERT_TRUE(catalog_->SetMemberStatus(shared.id, "here", MemberStatus::kAccepted).ok());
  EXPECT_EQ(this->Names(As("here")), (Names{"public", "shared", "my community", "mine"}));
  ImageQuery all = As("here");
  all.all_visibilities = true;
  EXPECT_EQ(this->Names(all), (Names{"public", "community", "shared", "my community", "mine"}));
  all.visibility = Visibility::kCommunity;
  EXPECT_EQ(this->Names(all), (Names{"community", "my community"}));
  EXPECT_EQ(this->Names(As(std::nullopt)), (Names{"public"}));
  ImageQuery admin = As("admins");
  admin.viewer.admin = true;
  EXPECT_EQ(this->Names(admin), (Names{"public", "shared", "theirs", "mine"}));
}

// What a listing remembers of a record is no older than the database.
TEST_F(CatalogTest, AListingShowsWhatOthersChanged) {
  const auto other = Opened({});  // as another process has one
  ImageRecord image = Insert(Image("one"));
  const ImageQuery query = As("here");
  ExpectEqual(catalog_->List(query).value().at(0), image);
  const ImageRecord changed = other
                                  ->Change(image.id,
                                           [](ImageRecord& record) -> Result<> {
                                             record.tags = {"new"};
                                             record.properties = {{"p", "q"}};
                                             record.locations = {{"file:///x", "", {{"k", "v"}}}};
                                             return Done{};
                                           })
                                  .value();
  ExpectEqual(catalog_->List(query).value().at(0), changed);
  // The same id and version, but another image.
  ASSERT_TRUE(other
                  ->Change(image.id,
                           [](ImageRecord& record) -> Result<> {
                             record.status = Status::kDeleted;
                             record.deleted = Instant(std::chrono::seconds(5));
                             return Done{};
                           })
                  .ok());
  EXPECT_TRUE(catalog_->List(query).value().empty());
  EXPECT_EQ(other->Purge(Now(), 10).value(), 1U);
  image.name = "two";
  image.created += std::chrono::seconds(1);
  other->Insert(image).value();
  const ImageRecord again = other->Change(image.id, [](ImageRecord&) -> Result<> { return Done{}; }).value();
  EXPECT_EQ(again.version, changed.version);
  ExpectEqual(catalog_->List(query).value().at(0), again);
}

// Every sort, with NULLs and ties, page by page as in one.
TEST_F(CatalogTest, PagesJoinToTheWhole) {
  for (int at = 0; at < 40; ++at) {
    ImageRecord image = Image("n" + std::to_string(at % 3));
    image.created = Instant(std::chrono::seconds(1000 + at / 4));
    image.updated = Instant(std::chrono::seconds(5000 - at % 7));
    if (at % 3 == 0) image.name.reset();
    if (at % 2 == 0) image.size = static_cast<std::uint64_t>(at % 5);
    if (at % 5 != 0) image.disk_format = at % 2 == 0 ? "raw" : "qcow2";
    if (at % 5 == 1) image.container_format = "bare";
    if (at % 6 == 0) image.visibility = Visibility::kPublic;
    if (at % 4 == 0) image.owner = "there";
    if (at % 4 == 0) image.visibility = Visibility::kPublic;
    Insert(image);
  }
  for (const bool admin : {false, true}) {
    for (const Sort first : {Sort::kName, Sort::kStatus, Sort::kContainerFormat, Sort::kDiskFormat, Sort::kSize,
                             Sort::kId, Sort::kCreatedAt, Sort::kUpdatedAt}) {
      for (const Sort second : {Sort::kSize, Sort::kName, Sort::kId}) {
        for (const int directions : {0, 1, 2, 3}) {
          ImageQuery query = As("here");
          query.viewer.admin = admin;
          query.sort = {{first, (directions & 1) != 0}, {second, (directions & 2) != 0}};
          query.limit = 1000;
          const auto whole = catalog_->List(query).value();
          ASSERT_EQ(whole.size(), 40U);
          query.limit = 7;
          std::vector<std::string> joined;
          for (;;) {
            const auto page = catalog_->List(query).value();
            if (page.empty()) break;
            for (const ImageRecord& image : page) joined.push_back(image.id);
            query.marker = page.back().id;
          }
          ASSERT_EQ(joined.size(), whole.size());
          for (std::size_t at = 0; at < whole.size(); ++at) ASSERT_EQ(joined[at], whole[at].id);
        }
      }
    }
  }
}

TEST_F(CatalogTest, TasksAndMembers) {
  const ImageRecord image = Insert(Image("one"));
  TaskRecord task;
  task.id = NewIdentifier();
  task.type = "api_image_import";
  task.status = "pending";
  task.owner = "here";
  task.image = image.id;
  task.created = task.updated = Now();
  ASSERT_TRUE(catalog_->InsertTask(task).ok());
  EXPECT_EQ(catalog_->InsertTask(task).error().kind(), ErrorKind::kExists);
  task.status = "success";
  task.expires = Now();
  ASSERT_TRUE(catalog_->UpdateTask(task).ok());
  EXPECT_EQ(catalog_->FindTask(task.id).value().status, "success");
  EXPECT_EQ(catalog_->FindTask(task.id).value().expires, task.expires);
  TaskQuery query;
  query.viewer.project = "here";
  query.image = image.id;
  EXPECT_EQ(catalog_->ListTasks(query).value().size(), 1U);
  query.viewer.project = "there";
  EXPECT_EQ(catalog_->ListTasks(query).value().size(), 0U);

  const Member member{image.id, "there", MemberStatus::kPending, Now(), Now()};
  ASSERT_TRUE(catalog_->AddMember(member).ok());
  EXPECT_EQ(catalog_->AddMember(member).error().kind(), ErrorKind::kExists);
  EXPECT_EQ(catalog_->ListMembers(image.id).value().size(), 1U);
  ASSERT_TRUE(catalog_->RemoveMember(image.id, "there").ok());
  EXPECT_EQ(catalog_->RemoveMember(image.id, "there").error().kind(), ErrorKind::kNotFound);
  EXPECT_EQ(catalog_->SetMemberStatus(image.id, "there", MemberStatus::kAccepted).error().kind(), ErrorKind::kNotFound);

  ImageRecord gone = catalog_
                         ->Change(image.id,
                                  [](ImageRecord& record) -> Result<> {
                                    record.status = Status::kDeleted;
                                    record.deleted = Instant(std::chrono::seconds(5));
                                    return Done{};
                                  })
                         .value();
  EXPECT_EQ(catalog_->Find(image.id).error().kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(catalog_->Find(image.id, true).ok());
  EXPECT_EQ(catalog_->InStates({Status::kDeleted}, "", 10).value().size(), 1U);
  EXPECT_EQ(catalog_->Purge(Now(), 10).value(), 1U);
  EXPECT_EQ(catalog_->Find(image.id, true).error().kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(catalog_->Ping().ok());
  EXPECT_EQ(catalog_->UsageOf(std::nullopt).value().images, 0U);
}

}  // namespace
}  // namespace platter::registry
