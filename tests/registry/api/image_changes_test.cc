#include "tools/platterd/api/image_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <string>
#include <string_view>

#include "tools/platterd/api/image_schema.h"
#include "tools/platterd/api/image_view.h"

namespace platter::platterd {
namespace {

using registry::Caller;
using registry::ImageRecord;
using testing::HasSubstr;

Caller Member() { return {.user = "u", .project = "mine", .roles = {"member"}, .request_id = "req-1"}; }
Caller Administrator() {
  return {.user = "a", .project = "admins", .roles = {"admin"}, .admin = true, .request_id = "req-2"};
}

ImageRecord Mine() {
  ImageRecord image;
  image.id = "63886998-6d3e-4da9-a8e6-1e887205f469";
  image.owner = "mine";
  image.properties["os_distro"] = "debian";
  return image;
}

// The record after a patch, or the error.
Result<ImageRecord> Patched(std::string_view media_type, std::string_view body, const Caller& caller,
                            ImageRecord image) {
  for (const PatchChange& change : PLATTER_TRY(ParsePatch(media_type, body))) {
    PLATTER_CHECK(ApplyChange({}, caller, change, image));
  }
  return image;
}

TEST(NewImage, TakesWhatAClientSends) {
  const auto made = NewImage({}, Member(),
                             R"({"name": "cirros", "disk_format": "qcow2", "container_format": "bare", "min_ram": 64,
                                 "min_disk": 1, "tags": ["b", "a", "b"], "protected": true, "os_hidden": true,
                                 "visibility": "private", "os_distro": "cirros", "kernel_id": null,
                                 "id": "63886998-6D3E-4da9-a8e6-1e887205f469"})");
  ASSERT_TRUE(made.ok()) << made.error().Describe();
  const ImageRecord& image = made.value();
  EXPECT_EQ(image.id, "63886998-6d3e-4da9-a8e6-1e887205f469");
  EXPECT_EQ(image.name, "cirros");
  EXPECT_EQ(image.owner, "mine");
  EXPECT_EQ(image.disk_format, "qcow2");
  EXPECT_EQ(image.container_format, "bare");
  EXPECT_EQ(image.min_ram, 64U);
  EXPECT_THAT(image.tags, testing::ElementsAre("a", "b"));
  EXPECT_TRUE(image.is_protected && image.hidden);
  EXPECT_EQ(image.visibility, registry::Visibility::kPrivate);
  EXPECT_THAT(image.properties, testing::ElementsAre(testing::Pair("os_distro", "cirros")));
  EXPECT_EQ(image.status, registry::Status::kQueued);
}

TEST(NewImage, AnIdIsMadeWhereNoneIsGiven) {
  const auto made = NewImage({}, Member(), "{}");
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE(registry::IsIdentifier(made.value().id));
  EXPECT_EQ(made.value().visibility, registry::Visibility::kShared);
}

struct RefusedRow {
  const char* body;
  ErrorKind kind;
  const char* sentence;  // a part of it
};
const RefusedRow kRefusedNew[] = {
    {"", ErrorKind::kInvalid, "Malformed JSON"},
    {"[]", ErrorKind::kInvalid, "does not match schema 'image'"},
    {R"({"disk_format": "nope"})", ErrorKind::kInvalid, "'nope' is not one of [None, 'ami'"},
    {R"({"name": 5})", ErrorKind::kInvalid, "5 is not of type"},
    {R"({"os_distro": 5})", ErrorKind::kInvalid, "5 is not of type"},
    {R"({"custom": null})", ErrorKind::kInvalid, "null is not of type"},
    {R"({"min_ram": "5"})", ErrorKind::kInvalid, "is not of type"},
    {R"({"min_ram": 1.5})", ErrorKind::kInvalid, "is not of type"},
    {R"({"min_disk": -1})", ErrorKind::kInvalid, "Cannot be a negative value"},
    {R"({"min_disk": 99999999999})", ErrorKind::kInvalid, "allowed are 0 to 2147483647"},
    {R"({"id": "nope"})", ErrorKind::kInvalid, "'nope' does not match"},
    {R"({"kernel_id": "nope"})", ErrorKind::kInvalid, "'nope' does not match"},
    {R"({"tags": "a"})", ErrorKind::kInvalid, "is not of type 'array'"},
    {R"({"tags": [5]})", ErrorKind::kInvalid, "5 is not of type 'string'"},
    {R"({"visibility": "secret"})", ErrorKind::kInvalid, "'secret' is not one of"},
    {R"({"self": "x"})", ErrorKind::kDenied, "Attribute 'self' is read-only."},
    {R"({"status": "active"})", ErrorKind::kDenied, "Attribute 'status' is read-only."},
    {R"({"size": 5})", ErrorKind::kDenied, "Attribute 'size' is read-only."},
    {R"({"locations": []})", ErrorKind::kDenied, "Attribute 'locations' is read-only."},
    {R"({"deleted": "x"})", ErrorKind::kDenied, "Attribute 'deleted' is reserved."},
    {R"({"os_glance_x": "x"})", ErrorKind::kDenied, "is reserved"},
    {R"({"owner": "other"})", ErrorKind::kDenied, "You are not permitted to create images owned by 'other'"},
    {R"({"visibility": "public"})", ErrorKind::kDenied, "You are not authorized"},
};

TEST(NewImage, WhatIsWrongIsNamed) {
  for (const RefusedRow& row : kRefusedNew) {
    const auto made = NewImage({}, Member(), row.body);
    ASSERT_FALSE(made.ok()) << row.body;
    EXPECT_EQ(made.error().kind(), row.kind) << row.body;
    EXPECT_THAT(made.error().what(), HasSubstr(row.sentence));
  }
}

TEST(NewImage, QuotasHold) {
  ApiOptions options;
  options.property_quota = 1;
  options.tag_quota = 1;
  EXPECT_EQ(NewImage(options, Member(), R"({"a": "1", "b": "2"})").error().kind(), ErrorKind::kLimit);
  EXPECT_EQ(NewImage(options, Member(), R"({"tags": ["1", "2"]})").error().kind(), ErrorKind::kLimit);
  EXPECT_TRUE(NewImage(options, Member(), R"({"a": "1", "tags": ["2"]})").ok());
}

TEST(NewImage, AdministratorsMay) {
  EXPECT_TRUE(NewImage({}, Administrator(), R"({"owner": "other", "visibility": "public"})").ok());
}

TEST(Patch, NewerForm) {
  const auto image = Patched(kPatchNew, R"([{"op": "replace", "path": "/name", "value": "n"},
                                            {"op": "add", "path": "/a~1b~0c", "value": "v"},
                                            {"op": "remove", "path": "/os_distro"},
                                            {"op": "replace", "path": "/tags", "value": ["t"]},
                                            {"op": "add", "path": "/disk_format", "value": "raw"}])",
                             Member(), Mine());
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value().name, "n");
  EXPECT_THAT(image.value().properties, testing::ElementsAre(testing::Pair("a/b~c", "v")));
  EXPECT_THAT(image.value().tags, testing::ElementsAre("t"));
  EXPECT_EQ(image.value().disk_format, "raw");
}

TEST(Patch, OlderForm) {
  const auto image = Patched(
      kPatchOld, R"([{"replace": "/name", "value": "n"}, {"add": "/x", "value": "v"}, {"remove": "/os_distro"}])",
      Member(), Mine());
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value().name, "n");
  EXPECT_THAT(image.value().properties, testing::ElementsAre(testing::Pair("x", "v")));
  const auto twice = Patched(kPatchOld, R"([{"add": "/os_distro", "value": "v"}])", Member(), Mine());
  EXPECT_EQ(twice.error().kind(), ErrorKind::kConflict);
}

const RefusedRow kRefusedPatches[] = {
    {"{}", ErrorKind::kInvalid, "must be a JSON array"},
    {"[5]", ErrorKind::kInvalid, "Operations must be JSON objects."},
    {R"([{"path": "/name", "value": "n"}])", ErrorKind::kInvalid, "Unable to find `op`"},
    {R"([{"op": "move", "path": "/name"}])", ErrorKind::kInvalid, "Invalid operation: `move`"},
    {R"([{"op": "add", "value": "n"}])", ErrorKind::kInvalid, "Unable to find 'path'"},
    {R"([{"op": "add", "path": "/name"}])", ErrorKind::kInvalid, "requires a member named \"value\""},
    {R"([{"op": "add", "path": "name", "value": "n"}])", ErrorKind::kInvalid, "does not start with"},
    {R"([{"op": "add", "path": "/a//b", "value": "n"}])", ErrorKind::kInvalid, "adjacent"},
    {R"([{"op": "add", "path": "/a/", "value": "n"}])", ErrorKind::kInvalid, "end with"},
    {R"([{"op": "add", "path": "/", "value": "n"}])", ErrorKind::kInvalid, "valid token"},
    {R"([{"op": "add", "path": "/a~2", "value": "n"}])", ErrorKind::kInvalid, "recognized escape sequence"},
    {R"([{"op": "add", "path": "/a/b", "value": "n"}])", ErrorKind::kInvalid, "Invalid JSON pointer"},
    {R"([{"op": "add", "path": "/tags/-", "value": "n"}])", ErrorKind::kInvalid, "Invalid JSON pointer"},
    {R"([{"op": "replace", "path": "/id", "value": "n"}])", ErrorKind::kDenied, "read-only"},
    {R"([{"op": "replace", "path": "/status", "value": "active"}])", ErrorKind::kDenied, "read-only"},
    {R"([{"op": "add", "path": "/os_glance_x", "value": "n"}])", ErrorKind::kDenied, "reserved"},
    {R"([{"op": "replace", "path": "/nope", "value": "n"}])", ErrorKind::kConflict, "Property nope does not exist."},
    {R"([{"op": "remove", "path": "/nope"}])", ErrorKind::kConflict, "Property nope does not exist."},
    {R"([{"op": "remove", "path": "/name"}])", ErrorKind::kDenied, "Property name may not be removed."},
    {R"([{"op": "replace", "path": "/owner", "value": "x"}])", ErrorKind::kDenied, "Owner can't be updated"},
    {R"([{"op": "add", "path": "/owner", "value": "x"}])", ErrorKind::kDenied, "Owner can't be updated"},
    {R"([{"op": "replace", "path": "/visibility", "value": "public"}])", ErrorKind::kDenied, "not authorized"},
};

TEST(Patch, WhatIsWrongIsNamed) {
  for (const RefusedRow& row : kRefusedPatches) {
    const auto image = Patched(kPatchNew, row.body, Member(), Mine());
    ASSERT_FALSE(image.ok()) << row.body;
    EXPECT_EQ(image.error().kind(), row.kind) << row.body << image.error().Describe();
    EXPECT_THAT(image.error().what(), HasSubstr(row.sentence));
  }
}

TEST(Patch, FormatsStayOnceTheBytesAreThere) {
  ImageRecord image = Mine();
  image.status = registry::Status::kActive;
  const auto changed =
      Patched(kPatchNew, R"([{"op": "replace", "path": "/disk_format", "value": "raw"}])", Member(), image);
  EXPECT_EQ(changed.error().kind(), ErrorKind::kDenied);
}

TEST(Patch, OthersImagesAreNotChanged) {
  ImageRecord image = Mine();
  image.owner = "other";
  image.visibility = registry::Visibility::kPublic;
  const char* body = R"([{"op": "replace", "path": "/name", "value": "n"}])";
  EXPECT_EQ(Patched(kPatchNew, body, Member(), image).error().what(), "You do not own this image");
  EXPECT_TRUE(Patched(kPatchNew, body, Administrator(), image).ok());
}

TEST(View, IsWhatGlanceShows) {
  ImageRecord image = Mine();
  image.name = "c\"i";
  image.size = 13959168;
  image.tags = {"b", "a"};
  image.created = *registry::ParseInstant("2026-11-23T06:20:10Z");
  image.updated = *registry::ParseInstant("2026-11-23T06:20:11.5Z");
  EXPECT_EQ(ImageJson(image, {}),
            R"({"os_distro": "debian", "name": "c\"i", "disk_format": null, "container_format": null, )"
            R"("visibility": "shared", "size": 13959168, "virtual_size": null, "status": "queued", "checksum": null, )"
            R"("protected": false, "min_ram": 0, "min_disk": 0, "owner": "mine", "os_hidden": false, )"
            R"("os_hash_algo": null, "os_hash_value": null, "id": "63886998-6d3e-4da9-a8e6-1e887205f469", )"
            R"("created_at": "2026-11-23T06:20:10Z", "updated_at": "2026-11-23T06:20:11Z", "tags": ["a", "b"], )"
            R"("self": "/v2/images/63886998-6d3e-4da9-a8e6-1e887205f469", )"
            R"("file": "/v2/images/63886998-6d3e-4da9-a8e6-1e887205f469/file", "schema": "/v2/schemas/image"})");
}

TEST(Schema, DocumentsParse) {
  for (const char* name : {"image", "images", "member", "members", "task", "tasks"}) {
    boost::json::error_code error;
    const auto document = boost::json::parse(SchemaDocument(name, ApiOptions{}), error);
    ASSERT_FALSE(error) << name;
    EXPECT_EQ(document.at("name").as_string(), name);
  }
  EXPECT_EQ(SchemaDocument("nope", ApiOptions{}), "");
}

TEST(ImageSchema, HasTheFormatsThatAreConfigured) {
  ApiOptions some;
  some.disk_formats = {"qcow2", "raw", "unknown"};
  some.container_formats = {"bare"};
  const struct {
    ApiOptions options;
    const char* property;
    const char* values;
  } kRows[] = {
      {{}, "container_format", R"([null,"ami","ari","aki","bare","ovf","ova","docker","compressed"])"},
      {some, "container_format", R"([null,"bare"])"},
      {some, "disk_format", R"([null,"raw","qcow2"])"},
      {some, "visibility", R"(["community","public","private","shared"])"},
  };
  for (const auto& row : kRows) {
    const auto image = boost::json::parse(SchemaDocument("image", row.options));
    const auto images = boost::json::parse(SchemaDocument("images", row.options));
    for (const auto& schema : {image, images.at("properties").at("images").at("items")}) {
      EXPECT_EQ(boost::json::serialize(schema.at("properties").at(row.property).at("enum")), row.values);
    }
  }
}

}  // namespace
}  // namespace platter::platterd
