#include "formats/inspect/foreign.h"

#include <array>

namespace platter::inspect {
namespace {

struct Mark {
  std::size_t offset;
  std::string_view bytes;
  std::string_view container;
};

constexpr std::array kMarks = {
    Mark{0, "\x1F\x8B\x08", "compressed"},  // gzip: RFC 1952, 2.3.1
    Mark{0, "BZh", "compressed"},           // bzip2
    Mark{0,
         {"\xFD"
          "7zXZ\0",
          6},
         "compressed"},                           // xz file format, 2.1.1.1
    Mark{0, "\x28\xB5\x2F\xFD", "compressed"},    // zstd: RFC 8878, 3.1.1
    Mark{0, "\x04\x22\x4D\x18", "compressed"},    // lz4 frame
    Mark{0, "PK\x03\x04", "compressed"},          // zip: APPNOTE 4.3.7
    Mark{0, "7z\xBC\xAF\x27\x1C", "compressed"},  // 7z
    Mark{257, "ustar", "tar"},                    // POSIX.1-1988 and GNU tar
    Mark{0, "<?xml version=\"1.0\"", "ovf"},
};

}  // namespace

std::string_view ForeignContainer(std::span<const std::byte> head) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Mark& mark : kMarks) {
    if (text.size() < mark.offset + mark.bytes.size() || !text.substr(mark.offset).starts_with(mark.bytes)) continue;
    if (mark.container != "ovf" || text.find("<Envelope") != text.npos || text.find(":Envelope") != text.npos) {
      return mark.container;
    }
  }
  return {};
}

bool EndsWithVhdFooter(std::span<const std::byte> tail) noexcept {
  constexpr std::string_view kCookie = "conectix";
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  // Virtual PC before 2004 wrote one byte less.
  for (const std::size_t length : {std::size_t{512}, std::size_t{511}}) {
    if (text.size() >= length && text.substr(text.size() - length).starts_with(kCookie)) return true;
  }
  return false;
}

}  // namespace platter::inspect
