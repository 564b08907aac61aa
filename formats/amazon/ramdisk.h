// Initial ramdisks: cpio archives in a row, the last one mostly compressed. What an ari holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::amazon {

struct Archive {
  std::uint64_t offset = 0;           // bytes from the file's start
  std::string_view type = {};         // "newc", "crc"
  std::string_view compression = {};  // "" for none
  std::string first_name = {};        // of the first file in it
  std::uint64_t files = 0;            // of an uncompressed archive, its end not counted; 0 otherwise
};

struct Ramdisk {
  std::vector<Archive> archives;
  std::string reason;
  std::vector<std::string> findings;
};

// Bounds of what is looked at.
inline constexpr std::size_t kMaxArchives = 16;
inline constexpr std::uint64_t kMaxFiles = 1U << 17;                  // headers read, in all archives together
inline constexpr std::uint64_t kMaxPadding = std::uint64_t{1} << 20;  // zeros between two archives

// Uncompressed archives are walked from header to header; a compressed one is the last that is seen, because where it
// ends only shows when all of it is decompressed. Empty where the file starts with no archive. kIo.
Result<std::optional<Ramdisk>> RecogniseRamdisk(Storage& file);
// Whether it recognises one, by no more than the first archive's first header. kIo.
Result<bool> StartsWithRamdisk(Storage& file);

}  // namespace platter::amazon
