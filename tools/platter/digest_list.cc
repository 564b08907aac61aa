#include "tools/platter/digest_list.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "formats/core/wait_for.h"
#include "tools/platter/message.h"

namespace platter::cli {
namespace {

struct Escape {
  char character;
  char letter;
};
constexpr std::array kEscapes = {Escape{'\\', '\\'}, Escape{'\n', 'n'}, Escape{'\r', 'r'}};

bool NeedsEscape(std::string_view name) { return name.find_first_of("\\\n\r") != std::string_view::npos; }

std::string Escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const auto* found = std::ranges::find(kEscapes, c, &Escape::character);
    if (found == kEscapes.end()) {
      text += c;
    } else {
      text += '\\';
      text += found->letter;
    }
  }
  return text;
}

std::optional<std::string> Unescaped(std::string_view text) {
  std::string name;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      name += text[at];
      continue;
    }
    if (++at == text.size()) return std::nullopt;
    const auto* found = std::ranges::find(kEscapes, text[at], &Escape::letter);
    if (found == kEscapes.end()) return std::nullopt;
    name += found->character;
  }
  return name;
}

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::optional<std::string> LowerHex(std::string_view text) {
  if (text.empty() || text.size() % 2 != 0 || !std::ranges::all_of(text, IsHex)) return std::nullopt;
  std::string hex(text);
  for (char& c : hex) {
    if (c >= 'A') c = static_cast<char>(c | ('a' - 'A'));
  }
  return hex;
}

// "TAG (NAME) = HEX" and "TAG(NAME)= HEX".
std::optional<DigestLine> ParseTagged(std::string_view line) {
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  std::string_view tag = line.substr(0, open);
  std::string_view value = line.substr(close + 1);
  if (tag.ends_with(' ')) tag.remove_suffix(1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (!value.starts_with("= ")) return std::nullopt;
  const auto algorithm = FindDigest(tag);
  auto hex = LowerHex(value.substr(2));
  if (!algorithm || !hex || hex->size() != 2 * TraitsOf(*algorithm).size) return std::nullopt;
  return DigestLine{algorithm, *std::move(hex), std::string(line.substr(open + 1, close - open - 1))};
}

// "HEX  NAME", "HEX *NAME", BSD's "HEX NAME" and xxhsum's "XXH3_HEX  NAME".
std::optional<DigestLine> ParsePlain(std::string_view line) {
  constexpr std::string_view kXxh3Prefix = "XXH3_";
  DigestLine parsed;
  if (line.starts_with(kXxh3Prefix)) {
    parsed.algorithm = DigestAlgorithm::kXxh3;
    line.remove_prefix(kXxh3Prefix.size());
  }
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  std::string_view name = line.substr(space + 1);
  if (name.size() > 1 && (name.front() == ' ' || name.front() == '*')) name.remove_prefix(1);
  if (name.empty()) return std::nullopt;
  auto hex = LowerHex(line.substr(0, space));
  if (!hex) return std::nullopt;
  parsed.hex = *std::move(hex);
  parsed.name = name;
  return parsed;
}

// Longer than any line with a name that a file can have.
constexpr std::size_t kLongestLine = std::size_t{64} << 10;

// The lines of a file or a pipe, one after the other. What is longer than kLongestLine comes out as an empty line with
// `too_long` set: a list may be any file.
class Lines {
 public:
  static Result<Lines> Open(const std::string& path, const std::atomic<bool>* cancel) {
    const int fd = path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                               : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return Error::FromErrno(errno, "cannot open the list").In(path);
    return Lines(File(fd), cancel);
  }

  struct Line {
    std::string text;
    bool too_long = false;
  };
  // Empty at the end.
  Result<std::optional<Line>> Next() {
    Line line;
    bool any = false;
    while (true) {
      if (at_ == have_ && !PLATTER_TRY(Fill())) break;
      any = true;
      const std::string_view rest(buffer_.data() + at_, have_ - at_);
      const std::size_t end = rest.find('\n');
      const std::string_view part = rest.substr(0, end);
      line.too_long = line.too_long || line.text.size() + part.size() > kLongestLine;
      if (line.too_long) {
        line.text.clear();
      } else {
        line.text += part;
      }
      at_ += part.size();
      if (end == std::string_view::npos) continue;
      ++at_;
      break;
    }
    if (!any) return std::optional<Line>();
    return std::optional<Line>(std::move(line));
  }

 private:
  class File {
   public:
    explicit File(int fd) : fd_(fd) {}
    ~File() {
      if (fd_ >= 0) close(fd_);
    }
    File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int get() const noexcept { return fd_; }

   private:
    int fd_;
  };

  Lines(File file, const std::atomic<bool>* cancel)
      : file_(std::move(file)), cancel_(cancel), buffer_(kLongestLine, '\0') {}

  // False at the end.
  Result<bool> Fill() {
    at_ = 0;
    have_ = 0;
    while (true) {
      PLATTER_CHECK(WaitFor(file_.get(), POLLIN, cancel_));
      const ssize_t got = read(file_.get(), buffer_.data(), buffer_.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got < 0) return Error::FromErrno(errno, "cannot read the list");
      have_ = static_cast<std::size_t>(got);
      return have_ != 0;
    }
  }

  File file_;
  const std::atomic<bool>* cancel_;
  std::string buffer_;
  std::size_t at_ = 0;  // in buffer_: what is not handed out yet
  std::size_t have_ = 0;
};

// Empty when the line makes no sense.
std::optional<ListedDigest> Settled(std::string_view line, const DigestListRules& rules) {
  const auto& wanted = rules.algorithm;
  auto parsed = ParseDigestLine(line);
  if (!parsed && rules.only_file) {
    if (auto hex = LowerHex(line.substr(0, line.find_last_not_of(" \t\r") + 1))) {
      parsed = DigestLine{std::nullopt, *std::move(hex), *rules.only_file};
    }
  }
  if (!parsed || parsed->name.find('\0') != std::string::npos) return std::nullopt;
  auto algorithm = parsed->algorithm;
  if (wanted) {
    if (algorithm && *algorithm != *wanted) return std::nullopt;
    algorithm = wanted;
  }
  if (!algorithm) algorithm = DigestOfLength(parsed->hex.size());
  if (!algorithm || 2 * TraitsOf(*algorithm).size != parsed->hex.size()) return std::nullopt;
  return ListedDigest{*algorithm, std::move(parsed->hex), std::move(parsed->name)};
}

}  // namespace

bool TakeDigestNames(const Persona& persona, std::string_view text, std::vector<DigestAlgorithm>& algorithms) {
  auto parsed = ParseDigestList(text);
  if (!parsed.ok()) {
    ComplainUsage(persona, fmt::format("--digest: {}", ReasonOf(parsed.error())));
    return false;
  }
  algorithms = std::move(parsed).value();
  return true;
}

std::string ListedName(std::string_view name) { return NeedsEscape(name) ? "\\" + Escaped(name) : std::string(name); }

std::string PlainDigestLine(std::string_view hex, std::string_view name) {
  return NeedsEscape(name) ? fmt::format("\\{}  {}", hex, Escaped(name)) : fmt::format("{}  {}", hex, name);
}

std::string TaggedDigestLine(DigestAlgorithm algorithm, std::string_view hex, std::string_view name) {
  const bool escape = NeedsEscape(name);
  return fmt::format("{}{} ({}) = {}", escape ? "\\" : "", TraitsOf(algorithm).tag,
                     escape ? Escaped(name) : std::string(name), hex);
}

std::optional<DigestLine> ParseDigestLine(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const bool escaped = line.starts_with('\\');
  if (escaped) line.remove_prefix(1);
  auto parsed = ParseTagged(line);
  if (!parsed) parsed = ParsePlain(line);
  if (!parsed || !escaped) return parsed;
  auto name = Unescaped(parsed->name);
  if (!name) return std::nullopt;
  parsed->name = *std::move(name);
  return parsed;
}

Result<std::vector<ListedDigest>> ReadDigestList(const std::string& path, const DigestListRules& rules,
                                                 const std::function<void(std::size_t number)>& wrong) {
  Lines lines = PLATTER_TRY(Lines::Open(path, rules.cancel));
  std::vector<ListedDigest> listed;
  for (std::size_t number = 1;; ++number) {
    const auto line = PLATTER_TRY(lines.Next());
    if (!line) return listed;
    const std::string& text = line->text;
    if (!line->too_long && (text.empty() || text == "\r" || text.starts_with('#'))) continue;
    auto settled = Settled(text, rules);
    if (settled) {
      listed.push_back(*std::move(settled));
    } else {
      wrong(number);
    }
  }
}

std::optional<DigestAlgorithm> DigestOfLength(std::size_t hex_digits) noexcept {
  using enum DigestAlgorithm;
  for (const DigestAlgorithm algorithm : {kMd5, kSha1, kSha224, kSha256, kSha384, kSha512, kCrc32c, kXxh3}) {
    if (2 * TraitsOf(algorithm).size == hex_digits) return algorithm;
  }
  return std::nullopt;
}

}  // namespace platter::cli
