#include "formats/core/error.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

namespace platter {

struct Error::Story {
  ErrorKind kind;
  int os_error = 0;
  std::string what;
  std::string file;
  std::string structure;
  std::string field;
  std::optional<std::uint64_t> host_offset;
  std::string found;
  std::string allowed;
  std::string remedy;
  std::vector<std::string> activities;
};

std::string_view ErrorKindName(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kIo:
      return "input/output";
    case ErrorKind::kNotThisFormat:
      return "not this format";
    case ErrorKind::kCorrupt:
      return "corrupt";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kLimit:
      return "limit";
    case ErrorKind::kOutOfRange:
      return "out of range";
    case ErrorKind::kDenied:
      return "denied";
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kCancelled:
      return "cancelled";
    case ErrorKind::kNotFound:
      return "not found";
    case ErrorKind::kExists:
      return "exists";
    case ErrorKind::kConflict:
      return "conflict";
  }
  return "unknown";
}

Error::Error(ErrorKind kind, std::string what) : story_(std::make_unique<Story>()) {
  story_->kind = kind;
  story_->what = std::move(what);
}

Error Error::FromErrno(int os_error, std::string what) {
  std::array<char, 128> text{};
  const char* reason = strerror_r(os_error, text.data(), text.size());
  Error error(ErrorKind::kIo, fmt::format("{}: {}", what, reason));
  error.story_->os_error = os_error;
  return error;
}

Error::Error(Error&&) noexcept = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

Error&& Error::At(std::string structure, std::string field, std::uint64_t host_offset) && {
  story_->host_offset = host_offset;
  return std::move(*this).At(std::move(structure), std::move(field));
}

Error&& Error::At(std::string structure, std::string field) && {
  story_->structure = std::move(structure);
  story_->field = std::move(field);
  return std::move(*this);
}

Error&& Error::Found(std::string value) && {
  story_->found = std::move(value);
  return std::move(*this);
}

Error&& Error::Allowed(std::string values) && {
  story_->allowed = std::move(values);
  return std::move(*this);
}

Error&& Error::Try(std::string remedy) && {
  story_->remedy = std::move(remedy);
  return std::move(*this);
}

Error&& Error::In(std::string file) && {
  if (story_->file.empty()) story_->file = std::move(file);
  return std::move(*this);
}

Error&& Error::While(std::string activity) && {
  story_->activities.push_back(std::move(activity));
  return std::move(*this);
}

ErrorKind Error::kind() const noexcept { return story_->kind; }
int Error::os_error() const noexcept { return story_->os_error; }
const std::string& Error::what() const noexcept { return story_->what; }
const std::string& Error::file() const noexcept { return story_->file; }
const std::string& Error::structure() const noexcept { return story_->structure; }
const std::string& Error::field() const noexcept { return story_->field; }
const std::string& Error::found() const noexcept { return story_->found; }
std::optional<std::uint64_t> Error::host_offset() const noexcept { return story_->host_offset; }

std::string Error::Describe() const {
  std::string text;
  for (auto activity = story_->activities.rbegin(); activity != story_->activities.rend(); ++activity) {
    text += *activity + ": ";
  }
  if (!story_->file.empty()) text += story_->file + ": ";
  text += story_->what;
  std::string where = story_->structure;
  const auto append = [&where](std::string_view separator, const std::string& part) {
    if (part.empty()) return;
    if (!where.empty()) where += separator;
    where += part;
  };
  append(", ", story_->field.empty() ? "" : "field " + story_->field);
  append(" ", story_->host_offset ? fmt::format("at offset {:#x}", *story_->host_offset) : "");
  append(": ", story_->found.empty() ? "" : "found " + story_->found);
  append(", ", story_->allowed.empty() ? "" : "allowed: " + story_->allowed);
  if (!where.empty()) text += " (" + where + ")";
  if (!story_->remedy.empty()) text += "; " + story_->remedy;
  return text;
}

}  // namespace platter
