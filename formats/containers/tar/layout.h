// On-disk structures of tar archives: POSIX.1-1988 (ustar), POSIX.1-2001 (pax), and what GNU tar adds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace platter::tar {

inline constexpr std::uint64_t kBlock = 512;  // bytes: of a header, and what content is padded to

// A field of a header: text, or a number in octal digits or, with the first bit set, in base 256.
struct HeaderField {
  std::size_t offset;
  std::size_t length;
  std::string_view name;

  std::string_view Raw(std::span<const std::byte> block) const noexcept {
    return {reinterpret_cast<const char*>(block.data()) + offset, length};
  }
  // Up to the first NUL.
  std::string_view Text(std::span<const std::byte> block) const noexcept {
    const std::string_view raw = Raw(block);
    return raw.substr(0, raw.find('\0'));
  }
};

inline constexpr HeaderField kName{0, 100, "name"};
inline constexpr HeaderField kMode{100, 8, "mode"};
inline constexpr HeaderField kOwner{108, 8, "uid"};
inline constexpr HeaderField kGroup{116, 8, "gid"};
inline constexpr HeaderField kSize{124, 12, "size"};
inline constexpr HeaderField kTime{136, 12, "mtime"};
inline constexpr HeaderField kChecksum{148, 8, "chksum"};  // sum of the header's bytes, this field taken for spaces
inline constexpr std::size_t kTypeAt = 156;
inline constexpr HeaderField kLinkName{157, 100, "linkname"};
inline constexpr HeaderField kMagic{257, 8, "magic"};
inline constexpr HeaderField kDeviceMajor{329, 8, "devmajor"};
inline constexpr HeaderField kDeviceMinor{337, 8, "devminor"};
inline constexpr HeaderField kPrefix{345, 155, "prefix"};
// Where GNU's header has the map of a sparse file, whether more of it follows, and how long the file is with its holes.
inline constexpr HeaderField kGnuSparse{386, 109, "sparse"};
// Where star's prefix ends.
inline constexpr std::size_t kStarPrefixLength = 131;
inline constexpr HeaderField kStarMagic{508, 4, "magic"};

inline constexpr std::string_view kUstarMagic{
    "ustar\0"
    "00",
    8};
inline constexpr std::string_view kGnuMagic{"ustar  \0", 8};
inline constexpr std::string_view kStarTrailer{"tar\0", 4};

inline constexpr char kTypeFile = '0';
inline constexpr char kTypeOldFile = '\0';
inline constexpr char kTypeContiguous = '7';
inline constexpr char kTypeHardLink = '1';
inline constexpr char kTypeSymbolicLink = '2';
inline constexpr char kTypeCharacterDevice = '3';
inline constexpr char kTypeBlockDevice = '4';
inline constexpr char kTypeFolder = '5';
inline constexpr char kTypePipe = '6';
inline constexpr char kTypePax = 'x';
inline constexpr char kTypePaxGlobal = 'g';
inline constexpr char kTypeGnuName = 'L';
inline constexpr char kTypeGnuLink = 'K';
inline constexpr char kTypeGnuSparse = 'S';
inline constexpr char kTypeGnuVolume = 'V';

// GNU's sparse header (type S): where in the header, and in each block of the map behind it, it is said whether another
// one follows.
inline constexpr std::size_t kSparseContinuesAt = 482;
inline constexpr std::size_t kSparseMapContinuesAt = 504;

}  // namespace platter::tar
