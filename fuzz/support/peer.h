// Compares our reading of an image with that of one of the libyal libraries (fuzz/peer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/core/checked.h"
#include "formats/core/image.h"
#include "fuzz/support/reading.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {

// One image that both read, differently.
struct Difference {
  SparseStorage& file;
  const Reading& ours;
  const Reading& theirs;

  bool of_size() const noexcept { return ours.size != theirs.size; }
};

// Where both open the image and read it, both read the same; else the process ends, unless `known` says that it knows
// why (fuzz/README.md lists them all), or qemu-img reads what we read. `library`: "qcow", "vhdi" or "vmdk". Images that
// need other files are passed over, and so is what the library refuses, and what it does not survive.
void CompareWithPeer(std::string_view format, std::string_view library, std::span<const std::uint8_t> input,
                     bool (*mend)(SparseStorage&), bool (*known)(const Difference&));

// One extent that was read differently.
struct DifferentExtent {
  SparseStorage& file;
  const ImageInfo& info;
  ByteRange guest;  // within one allocation unit
  LayerExtent ours;
};

// Whether `explains` accepts each extent that was read differently, where both read something.
bool Explained(const Difference& difference, std::string_view format, bool (*explains)(const DifferentExtent&));

}  // namespace platter::fuzz
