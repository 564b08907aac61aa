#include "tools/platterd/config/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <utility>

namespace platter::platterd {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::string_view kSpace = " \t\r\f\v";

std::string_view Strip(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Result<> Line(std::string_view line) {
    ++number_;
    if (line.find('\0') != std::string_view::npos) return Wrong("a NUL byte");
    const std::string_view text = Strip(line);
    if (text.empty()) {
      continues_ = false;
      return Done();
    }
    if (line.front() == ' ' || line.front() == '\t') {
      if (!continues_) return Wrong("a line that goes on with nothing: options begin at the start of a line");
      settings_.back().value += '\n';
      settings_.back().value += text;
      return Done();
    }
    if (text.front() == '#' || text.front() == ';') {
      continues_ = false;
      return Done();
    }
    return text.front() == '[' ? Section(text) : Option(text);
  }

  std::vector<Setting> Take() { return std::move(settings_); }

 private:
  Error Wrong(std::string_view what) const {
    return Error(ErrorKind::kInvalid, fmt::format("{}:{}: {}", file_, number_, what));
  }

  Result<> Section(std::string_view text) {
    continues_ = false;
    if (text.back() != ']') return Wrong("a section without a ] at its end");
    if (text.size() == 2) return Wrong("a section without a name");
    section_ = text.substr(1, text.size() - 2);
    return Done();
  }

  Result<> Option(std::string_view text) {
    const std::size_t sign = text.find_first_of("=:");
    if (sign == std::string_view::npos) return Wrong("neither a [section] nor an option: there is no = in it");
    std::string name(Strip(text.substr(0, sign)));
    if (name.empty()) return Wrong("an option without a name");
    if (section_.empty()) return Wrong("an option in front of every [section]");
    std::replace(name.begin(), name.end(), '-', '_');
    std::string_view value = Strip(text.substr(sign + 1));
    if (value.size() > 1 && value.front() == value.back() && (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.size() - 2);
    }
    settings_.push_back({section_, std::move(name), std::string(value), file_, number_});
    continues_ = true;
    return Done();
  }

  const std::string& file_;
  std::size_t number_ = 0;
  std::string section_;
  bool continues_ = false;
  std::vector<Setting> settings_;
};

}  // namespace

Result<std::vector<Setting>> ReadConfig(std::string_view text, const std::string& file) {
  Reader reader(file);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) {
      PLATTER_CHECK(reader.Line(" "));
    } else {
      PLATTER_CHECK(reader.Line(line));
    }
  }
  return reader.Take();
}

Result<std::vector<Setting>> ReadConfigFile(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    const int reason = errno;
    if (reason == ENOENT) return Error(ErrorKind::kNotFound, fmt::format("there is no configuration file '{}'", file));
    return Error::FromErrno(reason, fmt::format("cannot open '{}'", file));
  }
  std::string text(kMaxBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || (stream.fail() && !stream.eof())) {
    return Error(ErrorKind::kIo, fmt::format("cannot read '{}'", file));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMaxBytes) {
    return Error(ErrorKind::kLimit, fmt::format("'{}' is no configuration file: it is larger than 1 MiB", file));
  }
  return ReadConfig(text, file);
}

}  // namespace platter::platterd
