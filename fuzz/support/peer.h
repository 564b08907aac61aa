// Compares our reading of an image with that of one of the libyal libraries (fuzz/peer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/core/extent.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {

// The start of a guest disk.
struct Reading {
  std::uint64_t size = 0;        // guest bytes, of the disk
  std::vector<std::byte> bytes;  // as far as they could be read, kPeerReads at most
};

// One image that both read, differently.
struct Difference {
  SparseStorage& file;
  const Reading& ours;
  const Reading& theirs;
};

// Where both open the image and read it, both read the same; else the process ends, unless `known` says that it knows
// why (fuzz/README.md lists them all). `library`: "qcow", "vhdi" or "vmdk". Images that need other files are passed
// over, and so is what the library refuses, and what it does not survive.
void CompareWithPeer(std::string_view format, std::string_view library, std::span<const std::uint8_t> input,
                     bool (*mend)(SparseStorage&), bool (*known)(const Difference&));

// Whether the sizes are the same and each allocation unit that was read differently is one that `explains` accepts: it
// is given our extent of that unit, and the unit's size in bytes.
bool Explained(const Difference& difference, std::string_view format,
               bool (*explains)(const LayerExtent& extent, std::uint64_t unit));

}  // namespace platter::fuzz
