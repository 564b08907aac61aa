#include "formats/containers/docker/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <cctype>
#include <utility>

namespace platter::docker {
namespace {

namespace json = boost::json;

// Counts members as they stand in the text; of two of one name the parser keeps the last.
struct MemberCounter {
  // NOLINTBEGIN(readability-identifier-naming): the parser looks for these names.
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  // NOLINTEND(readability-identifier-naming)

  static bool on_document_begin(json::error_code& /*ec*/) { return true; }
  static bool on_document_end(json::error_code& /*ec*/) { return true; }
  static bool on_array_begin(json::error_code& /*ec*/) { return true; }
  static bool on_array_end(std::size_t /*n*/, json::error_code& /*ec*/) { return true; }
  static bool on_object_begin(json::error_code& /*ec*/) { return true; }
  bool on_object_end(std::size_t n, json::error_code& /*ec*/) {
    members += n;
    return true;
  }
  static bool on_string_part(json::string_view /*s*/, std::size_t /*n*/, json::error_code& /*ec*/) { return true; }
  static bool on_string(json::string_view /*s*/, std::size_t /*n*/, json::error_code& /*ec*/) { return true; }
  static bool on_key_part(json::string_view /*s*/, std::size_t /*n*/, json::error_code& /*ec*/) { return true; }
  static bool on_key(json::string_view /*s*/, std::size_t /*n*/, json::error_code& /*ec*/) { return true; }
  static bool on_number_part(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
  static bool on_int64(std::int64_t /*i*/, json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
  static bool on_uint64(std::uint64_t /*u*/, json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
  static bool on_double(double /*d*/, json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
  static bool on_bool(bool /*b*/, json::error_code& /*ec*/) { return true; }
  static bool on_null(json::error_code& /*ec*/) { return true; }
  static bool on_comment_part(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }
  static bool on_comment(json::string_view /*s*/, json::error_code& /*ec*/) { return true; }

  std::size_t members = 0;
};

json::parse_options Bounds() {
  json::parse_options options;
  options.max_depth = kMostDepth;
  return options;
}

std::size_t CountMembers(const json::value& value) {
  std::size_t count = 0;
  if (const auto* list = value.if_array()) {
    for (const json::value& item : *list) count += CountMembers(item);
  } else if (const auto* object = value.if_object()) {
    count = object->size();
    for (const auto& member : *object) count += CountMembers(member.value());
  }
  return count;
}

bool SameButForCase(std::string_view a, std::string_view b) {
  const auto same = [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); };
  return a != b && std::ranges::equal(a, b, same);
}

std::string_view KindOf(const json::value& value) {
  constexpr std::string_view kNames[] = {"null",     "a bool", "a number", "a number",
                                         "a number", "text",   "a list",   "an object"};
  return kNames[static_cast<std::size_t>(value.kind())];
}

const json::object& NoMembers() {
  static const json::object kNone;
  return kNone;
}

std::string Copy(const json::string& text) { return {text.data(), text.size()}; }

}  // namespace

Result<json::value> ParseJson(std::span<const std::byte> text, std::string_view structure) {
  const auto wrong = [&](ErrorKind kind, std::string what) {
    return Error(kind, std::move(what)).At(std::string(structure), "JSON");
  };
  if (text.size() > kMostJson) {
    return wrong(ErrorKind::kLimit, "the document is too long").Found(text.size());
  }
  const json::string_view view(reinterpret_cast<const char*>(text.data()), text.size());
  json::error_code failure;
  json::value value = json::parse(view, failure, {}, Bounds());
  if (failure == json::error::too_deep) {
    return wrong(ErrorKind::kCorrupt, "the document nests deeper than any of an image does")
        .Allowed(std::to_string(kMostDepth) + " levels");
  }
  if (failure) return wrong(ErrorKind::kCorrupt, "not a JSON document").Found(failure.message());
  json::basic_parser<MemberCounter> counter(Bounds());
  counter.write_some(false, view.data(), view.size(), failure);
  if (failure || counter.handler().members != CountMembers(value)) {
    return wrong(ErrorKind::kCorrupt, "an object has two members of one name");
  }
  return value;
}

Result<JsonFields> JsonFields::Of(const json::value& value, std::string_view structure) {
  if (const auto* object = value.if_object()) return JsonFields(*object, structure);
  return Error(ErrorKind::kCorrupt, "what should be an object is none")
      .At(std::string(structure), "JSON")
      .Found(std::string(KindOf(value)));
}

Error JsonFields::Wrong(std::string_view name, const json::value& found, std::string_view allowed) const {
  return Error(ErrorKind::kCorrupt, "a member has another type than it should have")
      .At(std::string(structure_), std::string(name))
      .Found(std::string(KindOf(found)))
      .Allowed(std::string(allowed));
}

Result<const json::value*> JsonFields::Find(std::string_view name) const {
  for (const auto& member : *object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (!SameButForCase(key, name)) continue;
    return Error(ErrorKind::kCorrupt, "a member's name differs in case only from one that means something")
        .At(std::string(structure_), std::string(name))
        .Found(std::string(key));
  }
  const json::value* value = object_->if_contains(json::string_view(name.data(), name.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool JsonFields::Has(std::string_view name) const {
  const json::value* value = object_->if_contains(json::string_view(name.data(), name.size()));
  return value != nullptr && !value->is_null();
}

Result<std::string> JsonFields::Text(std::string_view name) const {
  const json::value* value = PLATTER_TRY(Find(name));
  if (value == nullptr) return std::string();
  if (const auto* text = value->if_string()) return Copy(*text);
  return Wrong(name, *value, "text");
}

Result<std::optional<std::uint64_t>> JsonFields::Number(std::string_view name) const {
  const json::value* value = PLATTER_TRY(Find(name));
  if (value == nullptr) return std::optional<std::uint64_t>();
  if (const auto* number = value->if_int64(); number != nullptr && *number >= 0) {
    return std::optional(static_cast<std::uint64_t>(*number));
  }
  if (const auto* number = value->if_uint64()) return std::optional(*number);
  return Wrong(name, *value, "a whole number from 0 on");
}

Result<bool> JsonFields::Flag(std::string_view name) const {
  const json::value* value = PLATTER_TRY(Find(name));
  if (value == nullptr) return false;
  if (const auto* flag = value->if_bool()) return *flag;
  return Wrong(name, *value, "a bool");
}

Result<const json::array*> JsonFields::List(std::string_view name) const {
  const json::value* value = PLATTER_TRY(Find(name));
  if (value == nullptr) return static_cast<const json::array*>(nullptr);
  if (const auto* list = value->if_array()) return list;
  return Wrong(name, *value, "a list");
}

Result<std::vector<std::string>> JsonFields::Texts(std::string_view name) const {
  std::vector<std::string> texts;
  const json::array* list = PLATTER_TRY(List(name));
  if (list == nullptr) return texts;
  for (const json::value& item : *list) {
    const auto* text = item.if_string();
    if (text == nullptr) return Wrong(name, item, "text in a list");
    texts.push_back(Copy(*text));
  }
  return texts;
}

Result<JsonFields> JsonFields::Object(std::string_view name) const {
  const json::value* value = PLATTER_TRY(Find(name));
  if (value == nullptr) return JsonFields(NoMembers(), structure_);
  if (const auto* object = value->if_object()) return JsonFields(*object, structure_);
  return Wrong(name, *value, "an object");
}

std::vector<std::pair<std::string, std::string>> JsonFields::Pairs() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& member : *object_) {
    const auto* text = member.value().if_string();
    pairs.emplace_back(std::string(member.key().data(), member.key().size()),
                       text == nullptr ? std::string() : Copy(*text));
  }
  return pairs;
}

}  // namespace platter::docker
