#include "tools/platter/digest_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

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

// "HEX  NAME", "HEX *NAME" and xxhsum's "XXH3_HEX  NAME".
std::optional<DigestLine> ParsePlain(std::string_view line) {
  constexpr std::string_view kXxh3Prefix = "XXH3_";
  DigestLine parsed;
  if (line.starts_with(kXxh3Prefix)) {
    parsed.algorithm = DigestAlgorithm::kXxh3;
    line.remove_prefix(kXxh3Prefix.size());
  }
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space + 2 >= line.size()) return std::nullopt;
  if (line[space + 1] != ' ' && line[space + 1] != '*') return std::nullopt;
  auto hex = LowerHex(line.substr(0, space));
  if (!hex) return std::nullopt;
  parsed.hex = *std::move(hex);
  parsed.name = line.substr(space + 2);
  return parsed;
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

std::optional<DigestAlgorithm> DigestOfLength(std::size_t hex_digits) noexcept {
  using enum DigestAlgorithm;
  for (const DigestAlgorithm algorithm : {kMd5, kSha1, kSha224, kSha256, kSha384, kSha512, kCrc32c, kXxh3}) {
    if (2 * TraitsOf(algorithm).size == hex_digits) return algorithm;
  }
  return std::nullopt;
}

}  // namespace platter::cli
