#include "formats/inspect/foreign.h"

#include <array>

#include "formats/containers/tar/header.h"

namespace platter::inspect {
namespace {

constexpr std::uint64_t kSector = 512;

struct Mark {
  std::size_t offset;
  std::string_view bytes;
  Wrapping wrapping;
};

constexpr Wrapping kStream = {"compressed", true};
constexpr Wrapping kArchive = {"compressed", false};

constexpr std::array kMarks = {
    Mark{0, "\x1F\x8B\x08", kStream},  // gzip: RFC 1952, 2.3.1
    Mark{0, "BZh", kStream},           // bzip2
    Mark{0,
         {"\xFD"
          "7zXZ\0",
          6},
         kStream},                            // xz file format, 2.1.1.1
    Mark{0, "\x28\xB5\x2F\xFD", kStream},     // zstd: RFC 8878, 3.1.1
    Mark{0, "\x04\x22\x4D\x18", kStream},     // lz4 frame
    Mark{0, "\x02\x21\x4C\x18", kStream},     // lz4 as the kernel's build packs it
    Mark{1, "\x2A\x4D\x18", kArchive},        // zstd and lz4, a frame to be skipped: RFC 8878, 3.1.2
    Mark{0, "PK\x03\x04", kArchive},          // zip: APPNOTE 4.3.7
    Mark{0, "7z\xBC\xAF\x27\x1C", kArchive},  // 7z
    Mark{257, "ustar", {"tar"}},              // POSIX.1-1988 and GNU tar
    Mark{0, "<?xml version=\"1.0\"", {"ovf"}},
};

bool Fits(const Mark& mark, std::string_view text) noexcept {
  if (text.size() < mark.offset + mark.bytes.size() || !text.substr(mark.offset).starts_with(mark.bytes)) return false;
  // Of the sixteen marks of frames to be skipped.
  if (mark.offset == 1) return (static_cast<unsigned char>(text.front()) & 0xF0U) == 0x50;
  if (mark.wrapping.container != "ovf") return true;
  return text.find("<Envelope") != text.npos || text.find(":Envelope") != text.npos;
}

}  // namespace

Wrapping ForeignContainer(std::span<const std::byte> head) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Mark& mark : kMarks) {
    if (Fits(mark, text)) return mark.wrapping;
  }
  // Archives from before POSIX have no mark but their headers' checksum.
  if (head.size() >= tar::kBlock && tar::ChecksumFits(head.first<tar::kBlock>())) return {"tar"};
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
