#include "formats/vmdk/descriptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "formats/vmdk/layout.h"

namespace platter::vmdk {
namespace {

struct TypeName {
  ExtentType type;
  std::string_view name;
};

constexpr std::array kTypeNames = {
    TypeName{ExtentType::kFlat, "FLAT"},
    TypeName{ExtentType::kSparse, "SPARSE"},
    TypeName{ExtentType::kZero, "ZERO"},
    TypeName{ExtentType::kVmfs, "VMFS"},
    TypeName{ExtentType::kVmfsSparse, "VMFSSPARSE"},
    TypeName{ExtentType::kVmfsRdm, "VMFSRDM"},
    TypeName{ExtentType::kVmfsRaw, "VMFSRAW"},
    TypeName{ExtentType::kSeSparse, "SESPARSE"},
};

constexpr std::string_view kBlanks = " \t\v\f";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

constexpr char Lower(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// In ASCII, whatever the locale.
bool SameWord(std::string_view a, std::string_view b) noexcept { return std::ranges::equal(a, b, {}, Lower, Lower); }

std::string_view Trim(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Takes the next line off `text`, without its end and the blanks around it.
std::string_view TakeLine(std::string_view& text) noexcept {
  const std::size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return Trim(line);
}

// Takes the next word off `line`; what stands in quotes is one.
std::string_view TakeWord(std::string_view& line) noexcept {
  line = Trim(line);
  if (line.starts_with('"')) {
    const std::size_t end = line.find('"', 1);
    const std::string_view word = line.substr(1, end == std::string_view::npos ? end : end - 1);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return word;
  }
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::string_view Unquote(std::string_view value) noexcept {
  if (!value.starts_with('"')) return value;
  return TakeWord(value);
}

template <std::unsigned_integral T>
std::optional<T> ParseNumber(std::string_view text, int base) noexcept {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Error BadLine(std::string what, std::size_t number, ErrorKind kind = ErrorKind::kCorrupt) {
  return Error(kind, std::move(what)).At("VMDK descriptor", fmt::format("line {}", number));
}

std::optional<Access> AccessOf(std::string_view line) noexcept {
  const std::string_view word = TakeWord(line);
  if (SameWord(word, "RW")) return Access::kReadWrite;
  if (SameWord(word, "RDONLY")) return Access::kReadOnly;
  if (SameWord(word, "NOACCESS")) return Access::kNone;
  return std::nullopt;
}

std::string_view AccessName(Access access) noexcept {
  switch (access) {
    case Access::kReadWrite:
      return "RW";
    case Access::kReadOnly:
      return "RDONLY";
    case Access::kNone:
      break;
  }
  return "NOACCESS";
}

Result<ExtentLine> ParseExtent(std::string_view line, Access access, std::size_t number) {
  const std::string_view whole = line;
  const auto wrong = [&] {
    return BadLine("Invalid extent line", number)
        .Found(std::string(whole))
        .Allowed("ACCESS SECTORS TYPE \"FILE\" [OFFSET]");
  };
  ExtentLine extent{.access = access};
  (void)TakeWord(line);
  const auto sectors = ParseNumber<std::uint64_t>(TakeWord(line), 10);
  const std::string_view type = TakeWord(line);
  if (!sectors || type.empty()) return wrong();
  extent.sectors = *sectors;
  const auto* known = std::ranges::find_if(kTypeNames, [&](const TypeName& name) { return SameWord(name.name, type); });
  extent.type = known == kTypeNames.end() ? ExtentType::kOther : known->type;
  if (extent.type == ExtentType::kOther) extent.other_type = type;
  extent.file = TakeWord(line);
  if (extent.file.empty() && extent.type != ExtentType::kZero) return wrong();
  const std::string_view offset = TakeWord(line);
  if (offset.empty()) return extent;
  extent.offset = ParseNumber<std::uint64_t>(offset, 10);
  if (!extent.offset) return wrong();
  return extent;
}

// The keys that stand for fields, in the order of writing.
enum class Key : std::uint8_t {
  kVersion,
  kEncoding,
  kCid,
  kParentCid,
  kCreateType,
  kParentHint,
  kChangeTrackPath,
  kOther
};
constexpr std::array<std::string_view, 7> kKeyNames = {
    "version", "encoding", "CID", "parentCID", "createType", "parentFileNameHint", "changeTrackPath"};

class Parser {
 public:
  explicit Parser(std::uint64_t most) : room_(most) {}

  Result<Descriptor> Parse(std::string_view text) {
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::string_view line = TakeLine(text);
      if (line.empty() || line.starts_with('#')) continue;
      if (const auto access = AccessOf(line)) {
        descriptor_.extents.push_back(PLATTER_TRY(ParseExtent(line, *access, number)));
        PLATTER_CHECK(Hold(sizeof(ExtentLine) + line.size(), number));
      } else if (const std::size_t sign = line.find('='); sign != std::string_view::npos) {
        PLATTER_CHECK(TakePair(Trim(line.substr(0, sign)), Unquote(Trim(line.substr(sign + 1))), number));
      }
    }
    return std::move(descriptor_);
  }

 private:
  Result<> TakePair(std::string_view key, std::string_view value, std::size_t number) {
    if (key.size() > 4 && SameWord(key.substr(0, 4), "ddb.")) {
      descriptor_.ddb.emplace_back(key, value);
      return Hold(2 * sizeof(std::string) + key.size() + value.size(), number);
    }
    const auto* name = std::ranges::find_if(kKeyNames, [&](std::string_view known) { return SameWord(known, key); });
    const auto index = static_cast<std::size_t>(std::distance(kKeyNames.begin(), name));
    if (name == kKeyNames.end() || seen_.at(index)) return Done{};
    seen_.at(index) = true;
    return Set(static_cast<Key>(index), value, number);
  }

  Result<> Set(Key key, std::string_view value, std::size_t number) {
    switch (key) {
      case Key::kVersion:
        return SetNumber(descriptor_.version, value, 10, number);
      case Key::kCid:
        return SetNumber(descriptor_.cid, value, 16, number);
      case Key::kParentCid:
        return SetNumber(descriptor_.parent_cid, value, 16, number);
      case Key::kEncoding:
        descriptor_.encoding = value;
        break;
      case Key::kCreateType:
        descriptor_.create_type = value;
        break;
      case Key::kParentHint:
        descriptor_.parent_hint = std::string(value);
        break;
      case Key::kChangeTrackPath:
        descriptor_.change_track_path = value;
        break;
      case Key::kOther:
        break;
    }
    return Done{};
  }

  Result<> Hold(std::uint64_t bytes, std::size_t number) {
    if (bytes > room_) return BadLine("descriptor is too long to be held", number, ErrorKind::kLimit);
    room_ -= bytes;
    return Done{};
  }

  static Result<> SetNumber(std::uint32_t& field, std::string_view value, int base, std::size_t number) {
    const auto parsed = ParseNumber<std::uint32_t>(value, base);
    if (!parsed) {
      return BadLine("not a number", number)
          .Found(std::string(value))
          .Allowed(base == 16 ? "up to 8 hexadecimal digits" : "decimal digits");
    }
    field = *parsed;
    return Done{};
  }

  std::uint64_t room_;
  Descriptor descriptor_;
  std::array<bool, kKeyNames.size()> seen_{};
};

// "# Disk DescriptorFile", however it is spaced: VirtualBox takes four spellings.
bool IsTitle(std::string_view line) noexcept {
  std::string_view rest = "#DiskDescriptorFile";
  for (const char letter : line) {
    if (kBlanks.find(letter) != std::string_view::npos) continue;
    if (rest.empty() || Lower(letter) != Lower(rest.front())) return false;
    rest.remove_prefix(1);
  }
  return rest.empty();
}

std::string_view WithoutMark(std::string_view text) noexcept {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text.substr(0, text.find('\0'));
}

std::string ExtentText(const ExtentLine& extent) {
  const std::string_view type =
      extent.type == ExtentType::kOther ? std::string_view(extent.other_type) : ExtentTypeName(extent.type);
  std::string text = fmt::format("{} {} {}", AccessName(extent.access), extent.sectors, type);
  if (!extent.file.empty()) text += fmt::format(" \"{}\"", extent.file);
  if (extent.offset) text += fmt::format(" {}", *extent.offset);
  return text + '\n';
}

}  // namespace

std::string_view ExtentTypeName(ExtentType type) noexcept {
  const auto* known = std::ranges::find(kTypeNames, type, &TypeName::type);
  return known == kTypeNames.end() ? std::string_view{} : known->name;
}

const std::string* Descriptor::FindDdb(std::string_view key) const noexcept {
  const auto found = std::ranges::find_if(ddb, [&](const auto& pair) { return SameWord(pair.first, key); });
  return found == ddb.end() ? nullptr : &found->second;
}

bool LooksLikeDescriptorToQemu(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 6> kFirstLines = {"version=1\n",   "version=2\n",   "version=3\n",
                                                           "version=1\r\n", "version=2\r\n", "version=3\r\n"};
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool blanks = line.starts_with(' ') && line.find_first_not_of(' ') == std::string_view::npos;
    if (!text.starts_with('#') && !(blanks && end != std::string_view::npos)) break;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return std::ranges::any_of(kFirstLines, [&](std::string_view line) { return text.starts_with(line); });
}

bool LooksLikeDescriptor(std::string_view text) noexcept {
  // qemu's comments end at a line feed alone, and hold NULs.
  if (LooksLikeDescriptorToQemu(text)) return true;
  text = WithoutMark(text);
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (line.empty()) continue;
    if (IsTitle(line)) return true;
    if (line.starts_with('#')) continue;
    const std::size_t sign = line.find('=');
    if (sign == std::string_view::npos || !SameWord(Trim(line.substr(0, sign)), "version")) return false;
    const auto version = ParseNumber<std::uint32_t>(Unquote(Trim(line.substr(sign + 1))), 10);
    return version && *version >= 1 && *version <= kMaxVersion;
  }
  return false;
}

Result<Descriptor> ParseDescriptor(std::string_view text, const Limits& limits) {
  text = WithoutMark(text);
  if (text.size() > kMaxDescriptorBytes) {
    return Error(ErrorKind::kCorrupt, "descriptor is too long")
        .At("VMDK descriptor", "whole text")
        .Found(text.size())
        .Allowed(fmt::format("up to {} bytes", kMaxDescriptorBytes));
  }
  return Parser(limits.metadata_bytes).Parse(text);
}

std::string PrintDescriptor(const Descriptor& descriptor) {
  std::string text = fmt::format("# Disk DescriptorFile\nversion={}\n", descriptor.version);
  auto out = std::back_inserter(text);
  if (!descriptor.encoding.empty()) fmt::format_to(out, "encoding=\"{}\"\n", descriptor.encoding);
  fmt::format_to(out, "CID={}\nparentCID={}\n", CidText(descriptor.cid), CidText(descriptor.parent_cid));
  fmt::format_to(out, "createType=\"{}\"\n", descriptor.create_type);
  if (descriptor.parent_hint) fmt::format_to(out, "parentFileNameHint=\"{}\"\n", *descriptor.parent_hint);
  text += "\n# Extent description\n";
  for (const ExtentLine& extent : descriptor.extents) text += ExtentText(extent);
  if (!descriptor.change_track_path.empty()) {
    fmt::format_to(out, "\n# Change Tracking File\nchangeTrackPath=\"{}\"\n", descriptor.change_track_path);
  }
  text += "\n# The Disk Data Base\n#DDB\n\n";
  for (const auto& [key, value] : descriptor.ddb) fmt::format_to(out, "{} = \"{}\"\n", key, value);
  return text;
}

std::string WithCid(std::string_view text, std::uint32_t cid) {
  std::string_view rest = WithoutMark(text);
  while (!rest.empty()) {
    const std::string_view line = TakeLine(rest);
    const std::size_t sign = line.find('=');
    if (line.starts_with('#') || sign == std::string_view::npos || AccessOf(line)) continue;
    if (!SameWord(Trim(line.substr(0, sign)), "CID")) continue;
    const std::string_view value = Unquote(Trim(line.substr(sign + 1)));
    if (value.empty()) break;
    std::string changed(text);
    return changed.replace(static_cast<std::size_t>(value.data() - text.data()), value.size(), CidText(cid));
  }
  return std::string(text);
}

std::string CidText(std::uint32_t cid) { return fmt::format("{:08x}", cid); }

}  // namespace platter::vmdk
