#include "tools/platterd/api/image_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <utility>

#include "tools/platterd/api/identifier.h"
#include "tools/platterd/api/image_schema.h"

namespace platter::platterd {
namespace {

namespace json = boost::json;
using registry::ImageRecord;

constexpr std::array<std::string_view, 5> kNeverSet = {"direct_url", "self", "file", "schema", "stores"};
constexpr std::array<std::string_view, 3> kReserved = {"location", "deleted", "deleted_at"};
constexpr std::string_view kReservedNamespace = "os_glance";

Error Invalid(std::string what) { return Error(ErrorKind::kInvalid, std::move(what)); }
Error Denied(std::string what) { return Error(ErrorKind::kDenied, std::move(what)); }
Error Conflict(std::string what) { return Error(ErrorKind::kConflict, std::move(what)); }

std::string_view TextOf(const json::value& value) noexcept {
  const json::string* text = value.if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

std::optional<std::string> OptionalText(const json::value& value) {
  if (!value.is_string()) return std::nullopt;
  return std::string(TextOf(value));
}

bool Contains(const auto& names, std::string_view name) noexcept {
  return std::ranges::find(names, name) != names.end();
}

// Whether clients may set a property of that name at all.
Result<> CheckName(std::string_view name) {
  if (Contains(kReserved, name) || name.starts_with(kReservedNamespace)) {
    return Denied(fmt::format("Attribute '{}' is reserved.", name));
  }
  if (name.size() > 255) return Invalid("Custom property should not be greater than 255 characters.");
  return Done{};
}

Result<std::uint64_t> Amount(std::string_view name, const json::value& value) {
  const bool negative = value.is_int64() && value.get_int64() < 0;
  if (negative)
    return Invalid(fmt::format("Invalid value {} for {}: Cannot be a negative value", value.get_int64(), name));
  const std::uint64_t amount = value.is_int64() ? static_cast<std::uint64_t>(value.get_int64()) : value.get_uint64();
  constexpr std::uint64_t kMost = 2147483647;
  if (amount > kMost) return Invalid(fmt::format("Invalid value {} for {}: allowed are 0 to {}", amount, name, kMost));
  return amount;
}

Result<> SetFormat(std::string_view name, const json::value& value, const std::vector<std::string>& allowed,
                   const ImageRecord& image, std::optional<std::string>& format) {
  if (image.status != registry::Status::kQueued && image.status != registry::Status::kImporting) {
    return Denied(fmt::format("Attribute {} can be only replaced for a queued image.", name));
  }
  std::optional<std::string> wanted = OptionalText(value);
  if (wanted && !allowed.empty() && !Contains(allowed, *wanted)) {
    return Invalid(fmt::format("Invalid {} '{}': allowed are {}.", name, *wanted, fmt::join(allowed, ", ")));
  }
  format = std::move(wanted);
  return Done{};
}

Result<> SetTags(const ApiOptions& options, const json::value& value, ImageRecord& image) {
  std::set<std::string> tags;
  for (const json::value& tag : value.get_array()) tags.emplace(TextOf(tag));
  if (tags.size() > options.tag_quota) {
    return Error(ErrorKind::kLimit, fmt::format("The limit has been exceeded on the number of allowed image tags. "
                                                "Attempted: {}, Maximum: {}",
                                                tags.size(), options.tag_quota));
  }
  image.tags = std::move(tags);
  return Done{};
}

Result<> SetVisibility(const ApiOptions& options, const registry::Caller& caller, const json::value& value,
                       ImageRecord& image) {
  const registry::Visibility wanted = *registry::FindVisibility(TextOf(value));
  PLATTER_CHECK(registry::MaySetVisibility(options.access, caller, wanted));
  image.visibility = wanted;
  return Done{};
}

// Sets what every record has. Requires: the value fits the schema. False: it is no such property.
Result<bool> SetBase(const ApiOptions& options, const registry::Caller& caller, std::string_view name,
                     const json::value& value, ImageRecord& image) {
  if (name == "name") {
    image.name = OptionalText(value);
  } else if (name == "visibility") {
    PLATTER_CHECK(SetVisibility(options, caller, value, image));
  } else if (name == "protected") {
    image.is_protected = value.get_bool();
  } else if (name == "os_hidden") {
    image.hidden = value.get_bool();
  } else if (name == "owner") {
    image.owner = OptionalText(value);
  } else if (name == "min_disk") {
    image.min_disk = PLATTER_TRY(Amount(name, value));
  } else if (name == "min_ram") {
    image.min_ram = PLATTER_TRY(Amount(name, value));
  } else if (name == "tags") {
    PLATTER_CHECK(SetTags(options, value, image));
  } else if (name == "container_format") {
    PLATTER_CHECK(SetFormat(name, value, options.container_formats, image, image.container_format));
  } else if (name == "disk_format") {
    PLATTER_CHECK(SetFormat(name, value, options.disk_formats, image, image.disk_format));
  } else {
    return false;
  }
  return true;
}

Result<> SetCustom(const ApiOptions& options, std::string_view name, const json::value& value, ImageRecord& image) {
  if (value.is_null()) {
    image.properties.erase(std::string(name));
    return Done{};
  }
  image.properties[std::string(name)] = TextOf(value);
  if (image.properties.size() <= options.property_quota) return Done{};
  return Error(ErrorKind::kLimit,
               fmt::format("The limit has been exceeded on the number of allowed image properties. Attempted: {}, "
                           "Maximum: {}",
                           image.properties.size(), options.property_quota));
}

bool IsBase(std::string_view name) noexcept {
  const ImageProperty* property = FindImageProperty(name);
  return property != nullptr && property->is_base;
}

std::optional<PatchOperation> FindOperation(std::string_view name) noexcept {
  if (name == "add") return PatchOperation::kAdd;
  if (name == "remove") return PatchOperation::kRemove;
  if (name == "replace") return PatchOperation::kReplace;
  return std::nullopt;
}

// "/a~1b/0" -> {"a/b", "0"}.
Result<std::vector<std::string>> DecodePointer(std::string_view pointer) {
  if (!pointer.starts_with('/')) return Invalid(fmt::format("Pointer `{}` does not start with \"/\".", pointer));
  std::vector<std::string> path(1);
  for (std::size_t at = 1; at < pointer.size(); ++at) {
    if (pointer[at] == '/') {
      path.emplace_back();
    } else if (pointer[at] != '~') {
      path.back() += pointer[at];
    } else {
      const char next = at + 1 < pointer.size() ? pointer[++at] : '\0';
      if (next != '0' && next != '1') {
        return Invalid(fmt::format("Pointer `{}` contains \"~\" not part of a recognized escape sequence.", pointer));
      }
      path.back() += next == '0' ? '~' : '/';
    }
  }
  if (path.size() > 1 && path.back().empty()) return Invalid(fmt::format("Pointer `{}` end with \"/\".", pointer));
  if (path.size() > 1 && Contains(path, ""))
    return Invalid(fmt::format("Pointer `{}` contains adjacent \"/\".", pointer));
  if (path.front().empty()) return Invalid(fmt::format("Pointer `{}` does not contains valid token.", pointer));
  return path;
}

// The newer form: {"op": "add", "path": "/name", "value": ...}.
Result<PatchChange> ParseOperation(const json::object& raw) {
  constexpr std::string_view kAllowed = "It must be one of the following: add, remove, replace.";
  PatchChange change;
  const json::value* op = raw.if_contains("op");
  if (op == nullptr) return Invalid(fmt::format("Unable to find `op` in JSON Schema change. {}", kAllowed));
  const auto operation = FindOperation(TextOf(*op));
  if (!operation) return Invalid(fmt::format("Invalid operation: `{}`. {}", TextOf(*op), kAllowed));
  change.operation = *operation;
  const json::value* path = raw.if_contains("path");
  if (path == nullptr || !path->is_string()) return Invalid("Unable to find 'path' in JSON Schema change");
  change.path = PLATTER_TRY(DecodePointer(TextOf(*path)));
  return change;
}

// The older form: {"add": "/name", "value": ...}.
Result<PatchChange> ParseOldOperation(const json::object& raw) {
  PatchChange change;
  change.strict_add = true;
  for (const auto& member : raw) {
    const auto operation = FindOperation({member.key().data(), member.key().size()});
    if (!operation) continue;
    if (!change.path.empty()) {
      return Invalid("Operation objects must contain only one member named \"add\", \"remove\", or \"replace\".");
    }
    change.operation = *operation;
    change.path = PLATTER_TRY(DecodePointer(TextOf(member.value())));
  }
  if (change.path.empty()) {
    return Invalid("Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".");
  }
  return change;
}

std::string_view OperationName(PatchOperation operation) noexcept {
  switch (operation) {
    case PatchOperation::kAdd:
      return "add";
    case PatchOperation::kRemove:
      return "remove";
    case PatchOperation::kReplace:
      return "replace";
  }
  return "";
}

// How deep a path may lead: into the list of locations, and to properties.
Result<> CheckDepth(const PatchChange& change) {
  const bool into_locations = change.path[0] == "locations" && change.operation != PatchOperation::kReplace;
  if (change.path.size() == (into_locations ? 2U : 1U)) return Done{};
  return Invalid(fmt::format("Invalid JSON pointer for this resource: '/{}'", fmt::join(change.path, "/")));
}

Result<> CheckChange(const PatchChange& change) {
  const std::string& name = change.path[0];
  PLATTER_CHECK(CheckDepth(change));
  const ImageProperty* property = FindImageProperty(name);
  if (name == "id" || (property != nullptr && property->read_only)) {
    return Denied(fmt::format("Attribute '{}' is read-only.", name));
  }
  PLATTER_CHECK(CheckName(name));
  if (change.operation == PatchOperation::kRemove) return Done{};
  if (change.path.size() == 2) return CheckImageProperty(name, json::array{change.value});
  return CheckImageProperty(name, change.value);
}

Result<> ApplyRemove(const std::string& name, ImageRecord& image) {
  if (IsBase(name)) return Denied(fmt::format("Property {} may not be removed.", name));
  if (image.properties.erase(name) == 0) return Conflict(fmt::format("Property {} does not exist.", name));
  return Done{};
}

}  // namespace

Result<json::value> ParseBody(std::string_view body) {
  json::error_code error;
  json::value value = json::parse({body.data(), body.size()}, error);
  if (error) return Invalid("Malformed JSON in request body.");
  return value;
}

Result<std::vector<PatchChange>> ParsePatch(std::string_view media_type, std::string_view body) {
  const json::value document = PLATTER_TRY(ParseBody(body));
  if (!document.is_array()) return Invalid("Request body must be a JSON array of operation objects.");
  std::vector<PatchChange> changes;
  for (const json::value& item : document.get_array()) {
    const json::object* raw = item.if_object();
    if (raw == nullptr) return Invalid("Operations must be JSON objects.");
    PatchChange change = PLATTER_TRY(media_type == kPatchOld ? ParseOldOperation(*raw) : ParseOperation(*raw));
    if (change.operation != PatchOperation::kRemove) {
      const json::value* value = raw->if_contains("value");
      if (value == nullptr) {
        return Invalid(
            fmt::format("Operation \"{}\" requires a member named \"value\".", OperationName(change.operation)));
      }
      change.value = *value;
    }
    PLATTER_CHECK(CheckChange(change));
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<> ApplyChange(const ApiOptions& options, const registry::Caller& caller, const PatchChange& change,
                     ImageRecord& image) {
  const std::string& name = change.path[0];
  if (name == "owner" && change.operation == PatchOperation::kReplace && !caller.admin) {
    return Denied("Owner can't be updated by non admin.");
  }
  PLATTER_CHECK(registry::MayModify(options.access, caller, image));
  if (change.operation == PatchOperation::kRemove) return ApplyRemove(name, image);
  const bool there = IsBase(name) || image.properties.contains(name);
  if (change.operation == PatchOperation::kReplace && !there) {
    return Conflict(fmt::format("Property {} does not exist.", name));
  }
  if (change.operation == PatchOperation::kAdd && change.strict_add && there) {
    return Conflict(fmt::format("Property {} already present.", name));
  }
  if (name == "owner" && !caller.admin && image.owner != OptionalText(change.value)) {
    return Denied("Owner can't be updated by non admin.");
  }
  if (PLATTER_TRY(SetBase(options, caller, name, change.value, image))) return Done{};
  return SetCustom(options, name, change.value, image);
}

Result<ImageRecord> NewImage(const ApiOptions& options, const registry::Caller& caller, std::string_view body) {
  const json::value document = PLATTER_TRY(ParseBody(body));
  const json::object* members = document.if_object();
  if (members == nullptr) return Invalid("Provided object does not match schema 'image': it is no object");
  ImageRecord image;
  image.owner = caller.project;
  for (const auto& member : *members) {
    const std::string name(member.key().data(), member.key().size());
    if (Contains(kNeverSet, name)) return Denied(fmt::format("Attribute '{}' is read-only.", name));
    PLATTER_CHECK(CheckImageProperty(name, member.value()));
  }
  for (const auto& member : *members) {
    const std::string name(member.key().data(), member.key().size());
    const ImageProperty* property = FindImageProperty(name);
    if (property != nullptr && (property->read_only || property->kind == ValueKind::kLocations)) {
      return Denied(fmt::format("Attribute '{}' is read-only.", name));
    }
    PLATTER_CHECK(CheckName(name));
    if (name == "id") {
      image.id = CanonicalIdentifier(TextOf(member.value()));
    } else if (!PLATTER_TRY(SetBase(options, caller, name, member.value(), image))) {
      PLATTER_CHECK(SetCustom(options, name, member.value(), image));
    }
  }
  if (image.id.empty()) image.id = registry::NewIdentifier();
  PLATTER_CHECK(registry::MayCreate(options.access, caller, image));
  image.created = registry::Now();
  image.updated = image.created;
  return image;
}

}  // namespace platter::platterd
