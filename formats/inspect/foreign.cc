#include "formats/inspect/foreign.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "formats/containers/tar/header.h"
#include "formats/core/bytes.h"
#include "formats/core/checked.h"

namespace platter::inspect {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kSector = 512;

unsigned ByteAt(std::string_view text, std::size_t at) noexcept { return static_cast<unsigned char>(text[at]); }

template <class T>
T LittleAt(std::string_view text, std::size_t at) noexcept {
  return LoadLe<T>(reinterpret_cast<const std::byte*>(text.data()) + at);
}

// Of the sixteen marks of frames to be skipped.
bool IsSkippableFrame(std::string_view text) noexcept { return (ByteAt(text, 0) & 0xF0U) == 0x50; }

// compress: the flags give 9 to 16 bits, and leave two bits free.
bool IsCompress(std::string_view text) noexcept {
  const unsigned flags = ByteAt(text, 2);
  return (flags & 0x60U) == 0 && (flags & 0x1FU) >= 9 && (flags & 0x1FU) <= 16;
}

// A stream of LZMA alone has no mark: its header of 13 bytes is one where xz takes it for one, and what follows
// begins with a byte of 0 and is not nothing.
bool IsLzma(std::string_view text) noexcept {
  constexpr std::uint32_t kSmallestDictionary = 4096;
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 38;
  constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  const unsigned properties = ByteAt(text, 0);
  const auto dictionary = LittleAt<std::uint32_t>(text, 1);
  const auto size = LittleAt<std::uint64_t>(text, 5);
  if (properties >= 225 || properties % 9 + properties / 9 % 5 > 4) return false;
  const std::uint32_t lowest = dictionary & (~dictionary + 1);
  const bool two_bits = dictionary == lowest * 3;
  const bool usual = std::has_single_bit(dictionary) || two_bits || dictionary == UINT32_MAX;
  const bool plausible = dictionary >= kSmallestDictionary && (size == kUnknown || (size != 0 && size < kLargest));
  return usual && plausible && text[13] == 0 && LittleAt<std::uint32_t>(text, 14) != 0;
}

// Old archives of cpio: digits, and a name that ends where its length says.
bool IsOldCpio(std::string_view text) noexcept {
  constexpr std::size_t kHeader = 76;
  return text.size() >= kHeader &&
         std::ranges::all_of(text.substr(0, kHeader), [](char digit) { return digit >= '0' && digit <= '7'; });
}

bool IsBinaryCpio(std::string_view text) noexcept {
  constexpr std::size_t kHeader = 26;
  const bool big = text.starts_with("\x71"sv);
  const auto field = [&](std::size_t at) {
    const auto little = LittleAt<std::uint16_t>(text, at);
    return big ? ByteSwap(little) : little;
  };
  constexpr std::array<unsigned, 7> kTypes = {1, 2, 4, 6, 8, 10, 12};
  const unsigned type = field(6) >> 12U;
  const std::size_t name = field(20);
  return std::ranges::find(kTypes, type) != kTypes.end() && name > 1 && text.size() >= kHeader + name &&
         text.substr(kHeader, name).find('\0') == name - 1;
}

// lha: a method such as -lh5-, and its header's length in front.
bool IsLha(std::string_view text) noexcept {
  const std::string_view method = text.substr(2, 5);
  return ByteAt(text, 0) >= 22 && method[0] == '-' && method[4] == '-' &&
         (method.starts_with("-lh") || method.starts_with("-lz") || method.starts_with("-pm"));
}

bool IsOvf(std::string_view text) noexcept {
  return text.find("<Envelope") != text.npos || text.find(":Envelope") != text.npos;
}

struct Mark {
  std::size_t offset;
  std::string_view bytes;
  Wrapping wrapping;
  bool (*fits)(std::string_view) noexcept = nullptr;  // what else must be so, of the whole head
};

constexpr Wrapping kStream = {"compressed", true};
constexpr Wrapping kArchive = {"compressed", false};

constexpr std::array kMarks = {
    Mark{0, "\x1F\x8B\x08", kStream},                     // gzip: RFC 1952, 2.3.1
    Mark{0, "BZh", kStream},                              // bzip2
    Mark{0, "\xFD\67zXZ\0"sv, kStream},                   // xz file format, 2.1.1.1
    Mark{0, "\x28\xB5\x2F\xFD", kStream},                 // zstd: RFC 8878, 3.1.1
    Mark{0, "\x04\x22\x4D\x18", kStream},                 // lz4 frame
    Mark{0, "\x02\x21\x4C\x18", kStream},                 // lz4 as the kernel's build packs it
    Mark{1, "\x2A\x4D\x18", kArchive, IsSkippableFrame},  // zstd and lz4: RFC 8878, 3.1.2
    Mark{0, "", kStream, IsLzma},
    Mark{0, "\x89LZO\0\r\n\x1A\n"sv, kStream},
    Mark{0, "LZIP\x01", kStream},
    Mark{0, "\x1F\x9D", kStream, IsCompress},
    Mark{0, "PK\x03\x04", kArchive},            // zip: APPNOTE 4.3.7
    Mark{0, "PK\x05\x06", kArchive},            // an empty one
    Mark{0, "PK00PK\x03\x04", kArchive},        // one of a set that turned out to be a single one: 8.5.4
    Mark{0, "PK\x07\x08PK\x03\x04", kArchive},  // the first of a set: 8.5.3
    Mark{0, "7z\xBC\xAF\x27\x1C", kArchive},
    Mark{0, "Rar!\x1A\x07", kArchive},
    Mark{0, "MSCF\0\0\0\0"sv, kArchive},  // a cabinet
    Mark{0, "MSWIM\0\0\0"sv, kArchive},
    Mark{0, "WLPWM\0\0\0"sv, kArchive},  // a WIM that is read as it arrives
    Mark{4, "\0\x1C\0\x01"sv, kArchive, [](std::string_view text) noexcept { return text.starts_with("xar!"); }},
    Mark{2, "-", kArchive, IsLha},
    Mark{0, "\x3A\xFF\x26\xED\x01\0"sv, kArchive},  // Android's sparse images, version 1
    Mark{257, "ustar", {"tar"}},                    // POSIX.1-1988 and GNU tar
    Mark{0, "070707", {"cpio"}, IsOldCpio},         // newer ones are ramdisks
    Mark{0, "\xC7\x71", {"cpio"}, IsBinaryCpio},
    Mark{0, "\x71\xC7", {"cpio"}, IsBinaryCpio},
    Mark{0, "!<arch>\n", {"ar"}},
    Mark{0, "!<thin>\n", {"ar"}},
    Mark{0, "<?xml version=\"1.0\"", {"ovf"}, IsOvf},
};

// Requires: ProbeInput::kShortestHead bytes, of a shorter file zeros at its end.
bool Fits(const Mark& mark, std::string_view text) noexcept {
  return text.substr(mark.offset).starts_with(mark.bytes) && (mark.fits == nullptr || mark.fits(text));
}

// The record that ends a zip: APPNOTE 4.3.16.
struct ZipEnd {
  static constexpr std::size_t kSize = 22;
  static constexpr std::string_view kMagic = "PK\x05\x06";
  static constexpr Le<std::uint16_t> kEntries{10};
  static constexpr Le<std::uint32_t> kDirectoryBytes{12};
  static constexpr Le<std::uint32_t> kDirectory{16};
  static constexpr Le<std::uint16_t> kCommentBytes{20};
  static constexpr std::string_view kLocatorMagic = "PK\x06\x07";  // of the 64-bit one in front, 4.3.15
  static constexpr std::size_t kLocatorBytes = 20;
};

// Whether the directory that the record at `at` in `tail` tells of is one. What lies in front of the tail is taken to
// be.
bool HasDirectory(std::string_view tail, std::size_t at, std::uint64_t file_size) noexcept {
  const auto* record = reinterpret_cast<const std::byte*>(tail.data() + at);
  const std::uint64_t bytes = ZipEnd::kDirectoryBytes.Decode(record);
  const std::uint64_t directory = ZipEnd::kDirectory.Decode(record);
  const bool beyond = ZipEnd::kEntries.Decode(record) == UINT16_MAX || bytes == UINT32_MAX || directory == UINT32_MAX;
  if (beyond && at >= ZipEnd::kLocatorBytes &&
      tail.substr(at - ZipEnd::kLocatorBytes).starts_with(ZipEnd::kLocatorMagic)) {
    return true;
  }
  const std::uint64_t place = file_size - tail.size() + at;
  if (bytes > place) return false;
  if (bytes == 0) return ZipEnd::kEntries.Decode(record) == 0 && directory <= place;
  constexpr std::string_view kEntryMagic = "PK\x01\x02";
  return bytes > at || tail.substr(at - bytes).starts_with(kEntryMagic);
}

}  // namespace

Wrapping ForeignContainer(std::span<const std::byte> head) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Mark& mark : kMarks) {
    if (Fits(mark, text)) return mark.wrapping;
  }
  // Archives from before POSIX have no mark but their headers' checksum.
  if (tar::ChecksumFits(head.first<tar::kBlock>())) return {"tar"};
  return {};
}

Wrapping ForeignContainerAtTheEnd(std::span<const std::byte> tail, std::uint64_t file_size) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  for (std::size_t at = text.rfind(ZipEnd::kMagic); at != text.npos;
       at = at == 0 ? text.npos : text.rfind(ZipEnd::kMagic, at - 1)) {
    if (text.size() - at < ZipEnd::kSize) continue;
    const std::size_t comment = ZipEnd::kCommentBytes.Decode(tail.data() + at);
    if (at + ZipEnd::kSize + comment == text.size() && HasDirectory(text, at, file_size)) return kArchive;
  }
  return {};
}

bool EndsWithVhdFooter(std::span<const std::byte> tail, std::uint64_t file_size) noexcept {
  constexpr std::string_view kCookie = "conectix";
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  // Programs count whole sectors. Virtual PC before 2004 wrote one byte less, whatever stood in front of it.
  const std::uint64_t in_last_sector = file_size == 0 ? 0 : (file_size - 1) % kSector + 1;
  for (const std::uint64_t length : {kSector, kSector - 1, in_last_sector}) {
    if (text.size() >= length && text.substr(text.size() - length).starts_with(kCookie)) return true;
  }
  return false;
}

}  // namespace platter::inspect
