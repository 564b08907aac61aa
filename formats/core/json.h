// JSON text: strings, and objects on one line whose members stand in the order in which they were added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace platter {

// A string as JSON, with its quotes. Bytes that are no UTF-8 become U+FFFD; what is not printable ASCII is escaped.
std::string JsonString(std::string_view text);

// The text as people, databases and terminals may be given it: UTF-8 without control characters, for each of which, and
// for each byte that is no UTF-8, U+FFFD stands. What is longer than `most_bytes` ends with "...".
std::string PlainText(std::string_view text, std::size_t most_bytes);

class JsonObject {
 public:
  JsonObject& Text(std::string_view key, std::string_view text);
  JsonObject& Number(std::string_view key, std::optional<std::uint64_t> number);  // null where there is none
  JsonObject& Flag(std::string_view key, bool flag);
  // A value that is JSON already.
  JsonObject& Json(std::string_view key, std::string_view json);

  std::string Finish() const { return "{" + members_ + "}"; }

 private:
  void StartMember(std::string_view key);

  std::string members_;
};

// Of values that are JSON already.
std::string JsonList(const std::vector<std::string>& values);

}  // namespace platter
