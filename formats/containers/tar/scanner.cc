#include "formats/containers/tar/scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "formats/core/checked.h"

namespace platter::tar {
namespace {

Error Wrong(std::string what, std::string_view field, std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("tar header", std::string(field), offset);
}

Result<std::uint32_t> SmallNumber(const HeaderField& field, std::span<const std::byte> block, std::uint64_t offset) {
  const auto number = ParseNumber(field.Raw(block));
  if (!number) {
    return Wrong("the member's " + std::string(field.name) + " is no number", field.name, offset + field.offset);
  }
  if (*number <= std::numeric_limits<std::uint32_t>::max()) return static_cast<std::uint32_t>(*number);
  return Error(ErrorKind::kLimit, "the member's " + std::string(field.name) + " is too large")
      .At("tar header", std::string(field.name), offset + field.offset)
      .Found(*number)
      .Allowed("32 bits");
}

// Octal, or base 256 with a sign: times before 1970.
std::optional<std::int64_t> ParseTime(std::string_view raw) {
  const auto first = static_cast<unsigned char>(raw[0]);
  if (first != 0xFF) {
    const auto number = ParseNumber(raw);
    return number ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
  }
  std::int64_t number = -1;
  for (const char byte : raw.substr(1)) {
    if (number < std::numeric_limits<std::int64_t>::min() / 256) return std::nullopt;
    number = number * 256 + static_cast<unsigned char>(byte);
  }
  return number;
}

// Seconds with a fraction, as pax has them: rounded down to nanoseconds.
bool ParsePaxTime(std::string_view text, Attributes& attributes) {
  constexpr std::uint32_t kBillion = 1'000'000'000;
  const std::size_t point = std::min(text.find('.'), text.size());
  const auto [end, failure] = std::from_chars(text.data(), text.data() + point, attributes.modified);
  if (failure != std::errc() || end != text.data() + point) return false;
  std::uint32_t fraction = 0;
  std::uint32_t unit = kBillion / 10;
  bool rest = false;
  for (const char digit : text.substr(std::min(point + 1, text.size()))) {
    if (digit < '0' || digit > '9') return false;
    fraction += static_cast<std::uint32_t>(digit - '0') * unit;
    rest = rest || (unit == 0 && digit != '0');
    unit /= 10;
  }
  if (text.starts_with('-') && (fraction != 0 || rest)) {
    if (attributes.modified == std::numeric_limits<std::int64_t>::min()) return false;
    fraction += rest ? 1 : 0;
    attributes.modified -= 1;
    fraction = kBillion - fraction;
  }
  attributes.nanoseconds = fraction;
  return true;
}

bool ParseOwner(std::string_view text, std::uint32_t& owner) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), owner);
  return failure == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<Attributes> ParseAttributes(std::span<const std::byte, kBlock> block, std::uint64_t offset) {
  constexpr std::uint32_t kModeBits = 07777;
  Attributes attributes;
  attributes.mode = PLATTER_TRY(SmallNumber(kMode, block, offset)) & kModeBits;
  attributes.user = PLATTER_TRY(SmallNumber(kOwner, block, offset));
  attributes.group = PLATTER_TRY(SmallNumber(kGroup, block, offset));
  const auto modified = ParseTime(kTime.Raw(block));
  if (!modified) return Wrong("the member's time is no number", kTime.name, offset + kTime.offset);
  attributes.modified = *modified;
  const char type = static_cast<char>(std::to_integer<unsigned char>(block[kTypeAt]));
  if (type != kTypeCharacterDevice && type != kTypeBlockDevice) return attributes;
  attributes.block_device = type == kTypeBlockDevice;
  attributes.device_major = PLATTER_TRY(SmallNumber(kDeviceMajor, block, offset));
  attributes.device_minor = PLATTER_TRY(SmallNumber(kDeviceMinor, block, offset));
  return attributes;
}

Result<> Scanner::Take(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    std::size_t length = bytes.size();
    if (skip_ != 0) {
      length = std::min<std::uint64_t>(length, skip_);
      skip_ -= length;
      at_ += length;
    } else if (text_left_ != 0) {
      length = std::min<std::uint64_t>(length, text_left_);
      text_.append(reinterpret_cast<const char*>(bytes.data()), length);
      text_left_ -= length;
      at_ += length;
      if (text_left_ == 0) PLATTER_CHECK(TakeText());
    } else if (zero_blocks_ < 2) {
      length = std::min(length, block_.size() - filled_);
      std::ranges::copy(bytes.first(length), block_.begin() + static_cast<std::ptrdiff_t>(filled_));
      filled_ += length;
      at_ += length;
      if (filled_ == block_.size()) PLATTER_CHECK(TakeBlock());
    }
    bytes = bytes.subspan(length);
  }
  return Done{};
}

Result<> Scanner::Finish() const {
  // The padding of the last member is not missed by anyone.
  const bool within = text_left_ != 0 || skip_ >= kBlock || (zero_blocks_ < 2 && filled_ != 0);
  if (within) {
    return Wrong("the member reaches past the archive's end", kSize.name, header_at_ + kSize.offset).Found(at_);
  }
  if (announced_.empty()) return Done{};
  return Wrong("the header describes a member that does not follow", "typeflag", header_at_ + kTypeAt);
}

Result<> Scanner::TakeBlock() {
  filled_ = 0;
  header_at_ = at_ - kBlock;
  if (std::ranges::all_of(block_, [](std::byte byte) { return byte == std::byte{0}; })) {
    ++zero_blocks_;
    return Done{};
  }
  if (zero_blocks_ != 0) return Wrong("more follows a lone block of zeros", "block", header_at_);
  const Header header = PLATTER_TRY(ParseHeader(block_, header_at_));
  if (!header.numbers) return Wrong("a number in the header is none", "number", header_at_);
  switch (header.type) {
    case kTypeGnuName:
    case kTypeGnuLink:
    case kTypePax:
    case kTypePaxGlobal:
      return TakeExtended(header);
    default:
      return TakeMember(header);
  }
}

Result<> Scanner::TakeExtended(const Header& header) {
  if (header.size > kMostExtended) {
    return Error(ErrorKind::kLimit, "the header's text is too long")
        .At("tar header", std::string(kSize.name), header_at_ + kSize.offset)
        .Found(header.size)
        .Allowed(fmt::format("at most {}", kMostExtended));
  }
  text_type_ = header.type;
  text_.clear();
  text_left_ = header.size;
  return text_left_ == 0 ? TakeText() : Done{};
}

Result<> Scanner::TakeText() {
  skip_ = AlignUp<std::uint64_t>(text_.size(), kBlock) - text_.size();
  const std::uint64_t text_at = header_at_ + kBlock;
  if (text_type_ == kTypePaxGlobal) {
    if (!announced_.empty()) {
      return Wrong("a global header between a member's headers", "typeflag", header_at_ + kTypeAt);
    }
    PaxRecords records = PLATTER_TRY(ParsePax(text_, text_at));
    if (records.path || records.link_path || records.size || records.sparse) {
      return Wrong("a global header gives all members one name or size", "typeflag", header_at_ + kTypeAt);
    }
    global_ = std::move(records);
    return Done{};
  }
  if (text_type_ == kTypePax) {
    if (announced_.pax) return Wrong("a second pax header for one member", "typeflag", header_at_ + kTypeAt);
    announced_.pax = PLATTER_TRY(ParsePax(text_, text_at));
    return Done{};
  }
  auto& target = text_type_ == kTypeGnuName ? announced_.name : announced_.link;
  if (target) return Wrong("a second long name for one member", "typeflag", header_at_ + kTypeAt);
  target = text_.substr(0, text_.find('\0'));
  return Done{};
}

Result<> Scanner::ApplyPax(const PaxRecords& pax, FullMember& full) const {
  Member& member = full.member;
  if (pax.sparse && member.type == MemberType::kFile) member.type = MemberType::kSparseFile;
  if (pax.size) member.size = *pax.size;
  const auto wrong = [&](std::string_view field, const std::string& text) {
    return Wrong("a pax record is no number", field, header_at_).Found(text.substr(0, 32));
  };
  Attributes& attributes = full.attributes;
  if (pax.modified && !ParsePaxTime(*pax.modified, attributes)) return wrong("mtime", *pax.modified);
  if (pax.user && !ParseOwner(*pax.user, attributes.user)) return wrong("uid", *pax.user);
  if (pax.group && !ParseOwner(*pax.group, attributes.group)) return wrong("gid", *pax.group);
  if (pax.attributes.empty()) return Done{};
  auto& extended = attributes.extended;
  extended.insert(extended.end(), pax.attributes.begin(), pax.attributes.end());
  // Of one name the last counts.
  std::ranges::reverse(extended);
  std::ranges::stable_sort(extended, {}, &std::pair<std::string, std::string>::first);
  // Clang 14 cannot use what std::ranges::unique returns.
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  extended.erase(std::unique(extended.begin(), extended.end(), same_name), extended.end());
  return Done{};
}

Result<> Scanner::TakeMember(const Header& header) {
  const Announced announced = std::exchange(announced_, {});
  Names names = NamesOf(header, announced);
  if (!names.other_names.empty() || !names.other_links.empty()) {
    return Wrong("the member has another name to some programs", kName.name, header_at_).Found(names.name);
  }
  FullMember full;
  full.attributes = PLATTER_TRY(ParseAttributes(block_, header_at_));
  Member& member = full.member;
  member.type = TypeOf(header.type, names.name);
  member.name = std::move(names.name);
  member.link = std::move(names.link);
  member.header = header_at_;
  member.offset = at_;
  member.size = header.size;
  if (header.sparse) member.type = MemberType::kSparseFile;
  PLATTER_CHECK(ApplyPax(global_, full));
  if (announced.pax) PLATTER_CHECK(ApplyPax(*announced.pax, full));
  if (!HasContent(member.type)) member.size = 0;
  const auto padded = CheckedAlignUp(member.size, kBlock);
  if (!padded) return Wrong("the member is too large", kSize.name, header_at_ + kSize.offset).Found(member.size);
  if (member.type == MemberType::kSparseFile || member.type == MemberType::kOther) {
    const bool sparse = member.type == MemberType::kSparseFile;
    return Error(ErrorKind::kUnsupported, sparse ? "a sparse file of GNU tar" : "a member of a kind that no file is")
        .At("tar header", "typeflag", header_at_ + kTypeAt)
        .Found(member.name.substr(0, 256))
        .Allowed("files with all their bytes");
  }
  skip_ = *padded;
  return visit_(full);
}

}  // namespace platter::tar
