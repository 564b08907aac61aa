// JSON from strangers: Boost.JSON's parser within bounds, and members taken out by type. What two parsers may read
// differently is refused: two members of one name, and names that differ in case only where one of them counts (Go's
// parser, which docker and skopeo use, does not look at case).
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"

namespace platter::docker {

inline constexpr std::size_t kMostJson = std::size_t{4} << 20;  // bytes of one document, as docker's registry has it
inline constexpr std::size_t kMostDepth = 32;

// `structure` names the document in messages. kCorrupt for what is no JSON, for an object with two members of one
// name, and beyond kMostDepth; kLimit beyond kMostJson.
Result<boost::json::value> ParseJson(std::span<const std::byte> text, std::string_view structure);

// An object's members. It must outlive this. Absent members and null are "", none, or empty; kCorrupt for a member of
// another type, and for one that another member's name differs from in case only.
class JsonFields {
 public:
  // kCorrupt when `value` is no object.
  static Result<JsonFields> Of(const boost::json::value& value, std::string_view structure);

  Result<std::string> Text(std::string_view name) const;
  Result<std::optional<std::uint64_t>> Number(std::string_view name) const;
  Result<bool> Flag(std::string_view name) const;
  Result<std::vector<std::string>> Texts(std::string_view name) const;
  // Null when absent.
  Result<const boost::json::array*> List(std::string_view name) const;
  // An empty object when absent.
  Result<JsonFields> Object(std::string_view name) const;
  // Names, and values where those are text.
  std::vector<std::pair<std::string, std::string>> Pairs() const;
  bool Has(std::string_view name) const;

 private:
  JsonFields(const boost::json::object& object, std::string_view structure) : object_(&object), structure_(structure) {}
  Result<const boost::json::value*> Find(std::string_view name) const;
  Error Wrong(std::string_view name, const boost::json::value& found, std::string_view allowed) const;

  const boost::json::object* object_;
  std::string_view structure_;
};

}  // namespace platter::docker
