#include "tools/platterd/api/image_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <iterator>

#include "formats/core/json.h"
#include "registry-core/model/image_record.h"

namespace platter::platterd {
namespace {

namespace json = boost::json;

constexpr std::string_view kUuidPattern =
    "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$";

constexpr std::array<std::string_view, 9> kStatuses = {
    "queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"};
constexpr std::array<std::string_view, 4> kVisibilities = {"community", "public", "private", "shared"};
constexpr std::array<std::string_view, 2> kKeyDeletion = {"on_image_deletion", "do_not_delete"};

// What every record has, in the order in which Glance lists it, up to its formats.
std::vector<ImageProperty> FirstProperties() {
  using enum ValueKind;
  return {
      {.name = "id", .kind = kText, .description = "The image's UUID", .identifier = true},
      {.name = "name", .kind = kTextOrNull, .description = "What people call the image", .longest = 255},
      {.name = "status",
       .kind = kText,
       .description = "Where the image is in its life",
       .read_only = true,
       .values = kStatuses},
      {.name = "visibility", .kind = kText, .description = "Who may see the image", .values = kVisibilities},
      {.name = "protected", .kind = kFlag, .description = "Whether the image is safe from being deleted"},
      {.name = "os_hidden", .kind = kFlag, .description = "Whether lists leave the image out unless they ask for it"},
      {.name = "checksum",
       .kind = kTextOrNull,
       .description = "MD5 digest of the file",
       .read_only = true,
       .longest = 32},
      {.name = "os_hash_algo",
       .kind = kTextOrNull,
       .description = "The digest that os_hash_value is",
       .read_only = true,
       .longest = 64},
      {.name = "os_hash_value",
       .kind = kTextOrNull,
       .description = "Digest of the file, hexadecimal",
       .read_only = true,
       .longest = 128},
      {.name = "owner", .kind = kTextOrNull, .description = "The project that owns the image", .longest = 255},
      {.name = "size", .kind = kIntegerOrNull, .description = "Bytes of the file", .read_only = true},
      {.name = "virtual_size", .kind = kIntegerOrNull, .description = "Bytes that a guest sees", .read_only = true},
  };
}

// The rest of it.
std::vector<ImageProperty> FurtherProperties() {
  using enum ValueKind;
  return {
      {.name = "container_format",
       .kind = kTextOrNull,
       .description = "What wraps the disk",
       .values = registry::ContainerFormats()},
      {.name = "disk_format",
       .kind = kTextOrNull,
       .description = "What the disk is",
       .values = registry::DiskFormats()},
      {.name = "created_at", .kind = kText, .description = "When the record was made", .read_only = true},
      {.name = "updated_at", .kind = kText, .description = "When the record was changed last", .read_only = true},
      {.name = "tags", .kind = kTextList, .description = "Words that the image is found by", .longest = 255},
      {.name = "direct_url", .kind = kText, .description = "Where a store keeps the file", .read_only = true},
      {.name = "min_ram", .kind = kInteger, .description = "Memory that a guest needs, in MiB"},
      {.name = "min_disk", .kind = kInteger, .description = "Disk that a guest needs, in GiB"},
      {.name = "self", .kind = kText, .description = "The record's address", .read_only = true},
      {.name = "file", .kind = kText, .description = "The file's address", .read_only = true},
      {.name = "stores",
       .kind = kText,
       .description = "The stores that hold the file, commas between",
       .read_only = true},
      {.name = "schema", .kind = kText, .description = "The schema's address", .read_only = true},
      {.name = "locations", .kind = kLocations, .description = "Where stores keep the file"},
  };
}

// Custom properties that everyone gives the same meaning.
std::vector<ImageProperty> CommonProperties() {
  using enum ValueKind;
  return {
      {.name = "kernel_id",
       .kind = kTextOrNull,
       .description = "The image with the kernel that boots this one",
       .is_base = false,
       .identifier = true},
      {.name = "ramdisk_id",
       .kind = kTextOrNull,
       .description = "The image with the initial ramdisk for that kernel",
       .is_base = false,
       .identifier = true},
      {.name = "instance_uuid",
       .kind = kText,
       .description = "The instance that this image was made of",
       .is_base = false},
      {.name = "architecture", .kind = kText, .description = "The processor that the guest runs on", .is_base = false},
      {.name = "os_distro", .kind = kText, .description = "The guest's distribution", .is_base = false},
      {.name = "os_version", .kind = kText, .description = "The distribution's version", .is_base = false},
      {.name = "description", .kind = kText, .description = "What people should know of the image", .is_base = false},
      {.name = "cinder_encryption_key_id",
       .kind = kText,
       .description = "The key that a volume of this image is encrypted with",
       .is_base = false},
      {.name = "cinder_encryption_key_deletion_policy",
       .kind = kText,
       .description = "What happens to that key when the image is deleted",
       .is_base = false,
       .values = kKeyDeletion},
  };
}

std::vector<ImageProperty> MakeProperties() {
  std::vector<ImageProperty> all = FirstProperties();
  for (const auto& more : {FurtherProperties(), CommonProperties()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

bool MayBeNull(ValueKind kind) noexcept { return kind == ValueKind::kTextOrNull || kind == ValueKind::kIntegerOrNull; }

// JSON Schema's word for the kind, as JSON.
std::string_view TypeOf(ValueKind kind) noexcept {
  switch (kind) {
    case ValueKind::kText:
      return R"("string")";
    case ValueKind::kTextOrNull:
      return R"(["null", "string"])";
    case ValueKind::kInteger:
      return R"("integer")";
    case ValueKind::kIntegerOrNull:
      return R"(["null", "integer"])";
    case ValueKind::kFlag:
      return R"("boolean")";
    case ValueKind::kTextList:
    case ValueKind::kLocations:
      return R"("array")";
  }
  return "null";
}

Error Mismatch(const std::string& reason) {
  return Error(ErrorKind::kInvalid, fmt::format("Provided object does not match schema 'image': {}", reason));
}

// Characters of UTF-8, which is what a schema counts.
std::size_t Characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

Result<> CheckText(const ImageProperty& property, std::string_view text) {
  if (property.longest != 0 && Characters(text) > property.longest) {
    return Mismatch(fmt::format("'{}' is too long", text));
  }
  if (property.identifier && !registry::IsIdentifier(text)) {
    return Mismatch(fmt::format("'{}' does not match '{}'", text, kUuidPattern));
  }
  if (property.values.empty() || std::ranges::find(property.values, text) != property.values.end()) return Done{};
  return Mismatch(fmt::format("'{}' is not one of [{}'{}']", text, MayBeNull(property.kind) ? "None, " : "",
                              fmt::join(property.values, "', '")));
}

Result<> CheckTextList(const ImageProperty& property, const json::value& value) {
  if (!value.is_array()) return Mismatch(fmt::format("{} is not of type 'array'", json::serialize(value)));
  for (const json::value& item : value.get_array()) {
    if (!item.is_string()) return Mismatch(fmt::format("{} is not of type 'string'", json::serialize(item)));
    const json::string& text = item.get_string();
    PLATTER_CHECK(CheckText(property, std::string_view(text.data(), text.size())));
  }
  return Done{};
}

Result<> CheckValidationData(const json::value& value) {
  const json::object* data = value.if_object();
  if (data == nullptr) return Mismatch("the validation_data of a location is an object");
  for (const auto& member : *data) {
    const std::string_view name(member.key().data(), member.key().size());
    if (name != "checksum" && name != "os_hash_algo" && name != "os_hash_value") {
      return Mismatch(fmt::format("Additional properties are not allowed ('{}' was unexpected)", name));
    }
    if (!member.value().is_string()) {
      return Mismatch(fmt::format("{} is not of type 'string'", json::serialize(member.value())));
    }
  }
  for (const char* name : {"os_hash_algo", "os_hash_value"}) {
    if (!data->contains(name)) return Mismatch(fmt::format("'{}' is a required property", name));
  }
  return Done{};
}

Result<> CheckLocations(const json::value& value) {
  if (!value.is_array()) return Mismatch(fmt::format("{} is not of type 'array'", json::serialize(value)));
  for (const json::value& item : value.get_array()) {
    const json::object* location = item.if_object();
    if (location == nullptr) return Mismatch(fmt::format("{} is not of type 'object'", json::serialize(item)));
    for (const char* name : {"url", "metadata"}) {
      if (!location->contains(name)) return Mismatch(fmt::format("'{}' is a required property", name));
    }
    const json::string* url = location->at("url").if_string();
    if (url == nullptr || url->size() > 255)
      return Mismatch("the url of a location is a text of at most 255 characters");
    if (!location->at("metadata").is_object()) return Mismatch("the metadata of a location is an object");
    const json::value* data = location->if_contains("validation_data");
    if (data != nullptr) PLATTER_CHECK(CheckValidationData(*data));
  }
  return Done{};
}

bool IsCount(const json::value& value) noexcept { return value.is_int64() || value.is_uint64(); }

// The values that an operator leaves of those that are allowed.
std::vector<std::string_view> ValuesOf(const ImageProperty& property, const ApiOptions& options) {
  const std::vector<std::string> all;
  const auto& left = property.name == "disk_format"        ? options.disk_formats
                     : property.name == "container_format" ? options.container_formats
                                                           : all;
  if (left.empty()) return {property.values.begin(), property.values.end()};
  std::vector<std::string_view> values;
  std::ranges::copy_if(property.values, std::back_inserter(values),
                       [&](std::string_view value) { return std::ranges::find(left, value) != left.end(); });
  return values;
}

std::string PropertyText(const ImageProperty& property, const ApiOptions& options) {
  JsonObject out;
  if (property.kind == ValueKind::kLocations) {
    out.Json("type", TypeOf(property.kind));
    out.Json("items", R"({"type": "object", "properties": {"url": {"type": "string", "maxLength": 255}, )"
                      R"("metadata": {"type": "object"}, "validation_data": {"description": "Digests of the file", )"
                      R"("type": "object", "writeOnly": true, "additionalProperties": false, "properties": )"
                      R"({"checksum": {"type": "string", "minLength": 32, "maxLength": 32}, "os_hash_algo": )"
                      R"({"type": "string", "maxLength": 64}, "os_hash_value": {"type": "string", "maxLength": 128}}, )"
                      R"("required": ["os_hash_algo", "os_hash_value"]}}, "required": ["url", "metadata"]})");
    out.Text("description", property.description);
    return out.Finish();
  }
  out.Json("type", TypeOf(property.kind));
  if (property.read_only) out.Flag("readOnly", true);
  out.Text("description", property.description);
  if (property.kind == ValueKind::kTextList) {
    out.Json("items", fmt::format(R"({{"type": "string", "maxLength": {}}})", property.longest));
  } else if (property.longest != 0) {
    out.Number("maxLength", property.longest);
  }
  if (property.identifier) out.Text("pattern", kUuidPattern);
  if (!property.values.empty()) {
    std::vector<std::string> values;
    if (MayBeNull(property.kind)) values.emplace_back("null");
    for (const std::string_view value : ValuesOf(property, options)) values.push_back(JsonString(value));
    out.Json("enum", JsonList(values));
  }
  if (!property.is_base) out.Flag("is_base", false);
  return out.Finish();
}

std::string ImageSchema(const ApiOptions& options) {
  JsonObject properties;
  for (const ImageProperty& property : ImageProperties())
    properties.Json(property.name, PropertyText(property, options));
  return JsonObject()
      .Text("name", "image")
      .Json("properties", properties.Finish())
      .Json("additionalProperties", R"({"type": "string"})")
      .Json("links", R"([{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, )"
                     R"({"rel": "describedby", "href": "{schema}"}])")
      .Finish();
}

std::string Text(std::string_view description, std::string_view more = "") {
  return fmt::format(R"({{"type": "string", "description": {}{}}})", JsonString(description), more);
}

std::string MemberSchema() {
  JsonObject properties;
  properties.Json("member_id", Text("The project that the image is shared with"))
      .Json("image_id", Text("The image's UUID", fmt::format(R"(, "pattern": "{}")", kUuidPattern)))
      .Json("created_at", Text("When the image was shared"))
      .Json("updated_at", Text("When the sharing was changed last"))
      .Json("status", Text("What the project says to it", R"(, "enum": ["pending", "accepted", "rejected"])"))
      .Json("schema", R"({"readOnly": true, "type": "string"})");
  return JsonObject().Text("name", "member").Json("properties", properties.Finish()).Finish();
}

std::string TaskSchema() {
  JsonObject properties;
  properties.Json("id", Text("The task's UUID", fmt::format(R"(, "pattern": "{}")", kUuidPattern)))
      .Json("type", Text("What it does", R"(, "enum": ["import", "api_image_import"])"))
      .Json("status", Text("How far it is", R"(, "enum": ["pending", "processing", "success", "failure"])"))
      .Json("input", R"({"description": "What it was asked", "type": ["null", "object"]})")
      .Json("result", R"({"description": "What came of it", "type": ["null", "object"]})")
      .Json("owner", Text("The project that asked"))
      .Json("message", Text("What people should know, of a failure mostly"))
      .Json("image_id", Text("The image that it works on"))
      .Json("request_id", Text("The request that started it"))
      .Json("user_id", Text("The user who asked"))
      .Json("expires_at", R"({"description": "When the record may go", "type": ["null", "string"]})")
      .Json("created_at", Text("When it was made"))
      .Json("updated_at", Text("When it was changed last"))
      .Json("self", R"({"readOnly": true, "type": "string"})")
      .Json("schema", R"({"readOnly": true, "type": "string"})");
  return JsonObject().Text("name", "task").Json("properties", properties.Finish()).Finish();
}

// The schema of a list of what `item` describes.
std::string ListSchema(std::string_view name, const std::string& item, bool pages) {
  JsonObject properties;
  properties.Json(name, fmt::format(R"({{"type": "array", "items": {}}})", item));
  if (pages) properties.Json("first", R"({"type": "string"})").Json("next", R"({"type": "string"})");
  properties.Json("schema", R"({"type": "string"})");
  const std::string_view links = pages ? R"([{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, )"
                                         R"({"rel": "describedby", "href": "{schema}"}])"
                                       : R"([{"rel": "describedby", "href": "{schema}"}])";
  return JsonObject().Text("name", name).Json("properties", properties.Finish()).Json("links", links).Finish();
}

}  // namespace

std::span<const ImageProperty> ImageProperties() noexcept {
  static const std::vector<ImageProperty> properties = MakeProperties();
  return properties;
}

const ImageProperty* FindImageProperty(std::string_view name) noexcept {
  const auto properties = ImageProperties();
  const auto found = std::ranges::find(properties, name, &ImageProperty::name);
  return found == properties.end() ? nullptr : &*found;
}

Result<> CheckImageProperty(std::string_view name, const json::value& value) {
  static constexpr ImageProperty kCustom = {.name = "", .kind = ValueKind::kText, .description = ""};
  const ImageProperty* known = FindImageProperty(name);
  const ImageProperty& property = known == nullptr ? kCustom : *known;
  if (value.is_null() && MayBeNull(property.kind)) return Done{};
  const auto wrong_type = [&] {
    return Mismatch(fmt::format("{} is not of type {}", json::serialize(value), TypeOf(property.kind)));
  };
  switch (property.kind) {
    case ValueKind::kText:
    case ValueKind::kTextOrNull:
      if (!value.is_string()) return wrong_type();
      return CheckText(property, std::string_view(value.get_string().data(), value.get_string().size()));
    case ValueKind::kInteger:
    case ValueKind::kIntegerOrNull:
      if (!IsCount(value)) return wrong_type();
      return Done{};
    case ValueKind::kFlag:
      if (!value.is_bool()) return wrong_type();
      return Done{};
    case ValueKind::kTextList:
      return CheckTextList(property, value);
    case ValueKind::kLocations:
      return CheckLocations(value);
  }
  return wrong_type();
}

std::string SchemaDocument(std::string_view name, const ApiOptions& options) {
  if (name == "image") return ImageSchema(options);
  if (name == "images") return ListSchema(name, ImageSchema(options), true);
  if (name == "member") return MemberSchema();
  if (name == "members") return ListSchema(name, MemberSchema(), false);
  if (name == "task") return TaskSchema();
  if (name == "tasks") return ListSchema(name, TaskSchema(), true);
  return "";
}

}  // namespace platter::platterd
