// A cue sheet: a text about the tracks of a CD, whose bytes are in another file. VirtualBox tells it by its content
// (CUE.cpp, cueParseFromTokenizer).
#include <algorithm>
#include <array>
#include <cctype>

#include "formats/recognised/described_image.h"

namespace platter::cue {
namespace {

constexpr std::size_t kProbed = 16384;  // bytes
constexpr std::string_view kBlanks = " \t\n\v\f\r";
constexpr std::array<std::string_view, 7> kAboutTheDisc = {"REM",       "CATALOG",    "CDTEXTFILE", "TITLE",
                                                           "PERFORMER", "SONGWRITER", "ISRC"};
constexpr std::array<std::string_view, 5> kFileTypes = {"BINARY", "MOTOROLA", "WAVE", "MP3", "AIFF"};

// Takes the next word off `text`, over line ends; what stands in quotes is one.
std::string_view TakeWord(std::string_view& text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const bool quoted = text.starts_with('"');
  if (quoted) text.remove_prefix(1);
  const std::size_t end = quoted ? text.find('"') : text.find_first_of(" \t\n\v\f\r\"");
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(word.size() + (quoted ? 1 : 0), text.size()));
  return word;
}

// As far as both go: to VirtualBox "BIN" and "BINARY2" are BINARY.
bool Means(std::string_view word, std::string_view keyword) noexcept {
  const auto upper = [](char letter) { return std::toupper(static_cast<unsigned char>(letter)); };
  const std::size_t length = std::min(word.size(), keyword.size());
  return length != 0 && std::ranges::equal(word.substr(0, length), keyword.substr(0, length), {}, upper, upper);
}

bool MeansOneOf(std::string_view word, std::span<const std::string_view> keywords) noexcept {
  return std::ranges::any_of(keywords, [&](std::string_view keyword) { return Means(word, keyword); });
}

// The file of the first track; nullopt where `head` is no sheet.
std::optional<std::string_view> FileNamed(std::span<const std::byte> head) noexcept {
  std::string_view text(reinterpret_cast<const char*>(head.data()), std::min(head.size(), kProbed));
  text = text.substr(0, text.find('\0'));
  std::string_view word = TakeWord(text);
  while (!Means(word, "FILE")) {
    if (!MeansOneOf(word, kAboutTheDisc)) return std::nullopt;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
    word = TakeWord(text);
  }
  const std::string_view name = TakeWord(text);
  if (!MeansOneOf(TakeWord(text), kFileTypes)) return std::nullopt;
  while (!text.empty()) {
    if (Means(TakeWord(text), "TRACK")) return name;
  }
  return std::nullopt;
}

Likeness Probe(const ProbeInput& input) noexcept { return FileNamed(input.head) ? Likeness::kCertain : Likeness::kNo; }

Result<std::string> ReadName(Storage& storage) {
  std::vector<std::byte> head(std::min<std::uint64_t>(storage.size(), kProbed));
  PLATTER_CHECK(storage.ReadAt(0, head));
  const auto name = FileNamed(head);
  if (!name) return Error(ErrorKind::kNotThisFormat, "not a cue sheet").At("cue", "FILE", 0);
  return std::string(*name);
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  PLATTER_TRY(ReadName(*storage));
  if (context.contents) return recognised::NotRead("cue", "open the file that it names");
  return std::shared_ptr<Image>(std::make_shared<recognised::DescribedImage>("cue", std::move(storage), ImageInfo{}));
}

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
  recognised::AddReference(inspection, "cue.file", PLATTER_TRY(ReadName(*storage)),
                           "the tracks' bytes are in another file");
  return Done{};
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "cue",
    .qemu_name = "",
    .title = "cue sheet",
    .probe = Probe,
    .open = Open,
    .described_only = true,
    .inspect = Inspect,
};

}  // namespace platter::cue
