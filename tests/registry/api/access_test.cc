#include "registry-core/access/access.h"

#include <gtest/gtest.h>

#include <string>

namespace platter::registry {
namespace {

Caller As(const std::string& project, const std::string& role) {
  return {.user = "u", .project = project, .roles = {role}, .admin = role == "admin", .request_id = "req-1"};
}

ImageRecord Of(const std::string& owner, Visibility visibility, Status status = Status::kActive) {
  ImageRecord image;
  image.owner = owner;
  image.visibility = visibility;
  image.status = status;
  return image;
}

// Who sees what: by the caller, the image's visibility, and whether it is shared with the caller's project.
struct SightRow {
  const char* project;
  const char* role;
  Visibility visibility;
  bool shared;
  bool seen;
};
const SightRow kSights[] = {
    {"mine", "member", Visibility::kPrivate, false, true},    {"other", "member", Visibility::kPrivate, false, false},
    {"other", "member", Visibility::kPrivate, true, false},   {"other", "member", Visibility::kShared, false, false},
    {"other", "member", Visibility::kShared, true, true},     {"other", "member", Visibility::kPublic, false, true},
    {"other", "reader", Visibility::kCommunity, false, true}, {"other", "admin", Visibility::kPrivate, false, true},
};

TEST(Access, WhoSeesWhat) {
  for (const SightRow& row : kSights) {
    EXPECT_EQ(MaySee(As(row.project, row.role), Of("mine", row.visibility), row.shared), row.seen)
        << row.project << " " << row.role << " " << VisibilityName(row.visibility);
  }
}

// What a role may do with an image of its own project and with another's, with the old defaults and the new ones.
struct RightsRow {
  const char* role;
  bool new_defaults;
  bool modifies_own;
  bool modifies_others;
  bool publishes;
  bool reads;
};
const RightsRow kRights[] = {
    {"admin", false, true, true, true, true},      {"admin", true, true, true, true, true},
    {"member", false, true, false, false, true},   {"member", true, true, false, false, true},
    {"reader", false, true, false, false, true},   {"reader", true, false, false, false, true},
    {"stranger", false, true, false, false, true}, {"stranger", true, false, false, false, false},
};

TEST(Access, WhoMayDoWhat) {
  for (const RightsRow& row : kRights) {
    const AccessRules rules{.new_defaults = row.new_defaults};
    const Caller caller = As("mine", row.role);
    EXPECT_EQ(MayModify(rules, caller, Of("mine", Visibility::kPrivate)).ok(), row.modifies_own) << row.role;
    EXPECT_EQ(MayModify(rules, caller, Of("other", Visibility::kPublic)).ok(), row.modifies_others) << row.role;
    EXPECT_EQ(MaySetVisibility(rules, caller, Visibility::kPublic).ok(), row.publishes) << row.role;
    EXPECT_EQ(MayRead(rules, caller).ok(), row.reads) << row.role;
    EXPECT_EQ(MayCreate(rules, caller, Of("mine", Visibility::kShared)).ok(), row.modifies_own) << row.role;
    EXPECT_EQ(MayCreate(rules, caller, Of("other", Visibility::kShared)).ok(), row.modifies_others) << row.role;
    EXPECT_EQ(MayDownload(rules, caller, Of("mine", Visibility::kPrivate)).ok(), row.modifies_own) << row.role;
    EXPECT_EQ(MayDownload(rules, caller, Of("mine", Visibility::kPrivate, Status::kDeactivated)).ok(), caller.admin);
    EXPECT_EQ(MayAdminister(caller).ok(), caller.admin);
    EXPECT_EQ(MayAnswerShare(rules, caller).ok(), row.modifies_own) << row.role;
    const bool removes = row.new_defaults ? caller.admin : row.modifies_own;
    EXPECT_EQ(MayRemoveLocation(rules, caller, Of("mine", Visibility::kPrivate)).ok(), removes) << row.role;
    EXPECT_EQ(MayRemoveLocation(rules, caller, Of("other", Visibility::kPublic)).ok(), caller.admin) << row.role;
  }
}

TEST(Access, WhatNobodyOwnsOnlyAdministratorsChange) {
  ImageRecord image;
  EXPECT_FALSE(MayModify({}, As("mine", "member"), image).ok());
  EXPECT_TRUE(MayModify({}, As("mine", "admin"), image).ok());
  Caller nobody;
  EXPECT_FALSE(MayModify({}, nobody, image).ok());
}

// With a token of no project: everybody would see what it makes.
TEST(Access, WhoHasNoProjectMakesAndChangesNothing) {
  Caller member = As("", "member");
  member.project.reset();
  Caller admin = As("", "admin");
  admin.project.reset();
  for (const bool new_defaults : {false, true}) {
    const AccessRules rules{.new_defaults = new_defaults};
    for (const Visibility visibility : {Visibility::kPrivate, Visibility::kShared, Visibility::kCommunity}) {
      ImageRecord image;
      image.visibility = visibility;
      const auto made = MayCreate(rules, member, image);
      ASSERT_FALSE(made.ok()) << VisibilityName(visibility);
      EXPECT_EQ(made.error().kind(), ErrorKind::kDenied);
      EXPECT_FALSE(MayCreate(rules, member, Of("mine", visibility)).ok());
      EXPECT_TRUE(MayCreate(rules, admin, image).ok());
      EXPECT_FALSE(MayModify(rules, member, image).ok());
      EXPECT_FALSE(MayRemoveLocation(rules, member, image).ok());
      EXPECT_TRUE(MaySee(member, image, false)) << "as Glance shows what nobody owns";
    }
    EXPECT_FALSE(MaySee(member, Of("mine", Visibility::kShared), false));
  }
}

}  // namespace
}  // namespace platter::registry
