#include "formats/containers/tar/member_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "formats/containers/tar/layout.h"

namespace platter::tar {
namespace {

constexpr std::uint64_t kLargestSize = (std::uint64_t{1} << 33) - 1;   // eleven octal digits
constexpr std::uint32_t kLargestOwner = (std::uint32_t{1} << 21) - 1;  // seven

char TypeByte(const FullMember& full) {
  switch (full.member.type) {
    case MemberType::kFolder:
      return kTypeFolder;
    case MemberType::kHardLink:
      return kTypeHardLink;
    case MemberType::kSymbolicLink:
      return kTypeSymbolicLink;
    case MemberType::kDevice:
      return full.attributes.block_device ? kTypeBlockDevice : kTypeCharacterDevice;
    case MemberType::kPipe:
      return kTypePipe;
    default:
      return kTypeFile;
  }
}

// "LENGTH KEY=VALUE\n", of which the length counts itself.
void AddRecord(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (length != rest + fmt::formatted_size("{}", length)) ++length;
  fmt::format_to(std::back_inserter(records), "{} {}={}\n", length, key, value);
}

// Seconds and nanoseconds as a decimal number.
std::string TimeText(const Attributes& attributes) {
  constexpr std::uint32_t kBillion = 1'000'000'000;
  if (attributes.nanoseconds == 0) return std::to_string(attributes.modified);
  const bool below = attributes.modified < 0;
  const std::int64_t seconds = below ? -(attributes.modified + 1) : attributes.modified;
  const std::uint32_t rest = below ? kBillion - attributes.nanoseconds : attributes.nanoseconds;
  std::string text = fmt::format("{}{}.{:09}", below ? "-" : "", seconds, rest);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string RecordsOf(const FullMember& full) {
  const Member& member = full.member;
  const Attributes& attributes = full.attributes;
  std::string records;
  const auto plain = [](std::string_view text) {
    return std::ranges::all_of(text, [](char byte) { return byte > 0 && byte < 0x7F; });
  };
  if (member.name.size() > kName.length || !plain(member.name)) AddRecord(records, "path", member.name);
  if (member.link.size() > kLinkName.length || !plain(member.link)) AddRecord(records, "linkpath", member.link);
  if (member.size > kLargestSize) AddRecord(records, "size", std::to_string(member.size));
  if (attributes.user > kLargestOwner) AddRecord(records, "uid", std::to_string(attributes.user));
  if (attributes.group > kLargestOwner) AddRecord(records, "gid", std::to_string(attributes.group));
  const bool whole = attributes.modified >= 0 && attributes.nanoseconds == 0 &&
                     static_cast<std::uint64_t>(attributes.modified) <= kLargestSize;
  if (!whole) AddRecord(records, "mtime", TimeText(attributes));
  for (const auto& [name, value] : attributes.extended) AddRecord(records, "SCHILY.xattr." + name, value);
  return records;
}

void AppendHeader(std::string& out, const FullMember& full, char type, std::uint64_t size) {
  const Attributes& attributes = full.attributes;
  const std::size_t start = out.size();
  out.append(kBlock, '\0');
  const auto put = [&](const HeaderField& field, std::string_view text) {
    out.replace(start + field.offset, std::min(field.length, text.size()), text.substr(0, field.length));
  };
  const auto number = [&](const HeaderField& field, std::uint64_t value, std::uint64_t largest) {
    put(field, fmt::format("{:0{}o}", value > largest ? 0 : value, field.length - 1));
  };
  put(kName, full.member.name);
  put(kLinkName, full.member.link);
  number(kMode, attributes.mode, 07777);
  number(kOwner, attributes.user, kLargestOwner);
  number(kGroup, attributes.group, kLargestOwner);
  number(kSize, size, kLargestSize);
  number(kTime, static_cast<std::uint64_t>(std::max<std::int64_t>(attributes.modified, 0)), kLargestSize);
  number(kDeviceMajor, attributes.device_major, kLargestOwner);
  number(kDeviceMinor, attributes.device_minor, kLargestOwner);
  put(kMagic, kUstarMagic);
  out[start + kTypeAt] = type;
  put(kChecksum, "        ");
  unsigned sum = 0;
  for (const char byte : std::string_view(out).substr(start)) sum += static_cast<unsigned char>(byte);
  put(kChecksum, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
}

}  // namespace

std::string MakeHeaders(const FullMember& full) {
  std::string out;
  const std::string records = RecordsOf(full);
  if (!records.empty()) {
    FullMember extended;
    extended.member.name = "././@PaxHeader";
    extended.attributes.mode = 0644;
    AppendHeader(out, extended, kTypePax, records.size());
    out += records;
    out.append((kBlock - records.size() % kBlock) % kBlock, '\0');
  }
  AppendHeader(out, full, TypeByte(full), HasContent(full.member.type) ? full.member.size : 0);
  return out;
}

}  // namespace platter::tar
