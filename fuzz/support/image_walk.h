// One body for every format's harness: everything that the engine does with an image file, on hostile bytes, with what
// the engine promises about it checked.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/core/driver.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {

// Opens the file that `input` stands for with the driver of that name, twice where `mend` changes its checksums:
// describes it, maps it, reads pieces, looks at snapshots, bitmaps and files, checks it, repairs a copy, writes into a
// copy; with other files denied and, where the image asks for some, with small ones. Work and memory are bounded.
// Ends the process where a promise is broken:
//   extents tile the disk; what maps as zero or unallocated reads as zero; data that lies verbatim in a file is there;
//   a read in pieces equals a read of the whole; nothing but update, and check when asked for repairs, changes the
//   file; what a repair calls clean is clean when it is checked again; what is written into a clean image reads back,
//   and the image is clean afterwards.
void WalkImage(std::string_view format, std::span<const std::uint8_t> input, bool (*mend)(SparseStorage&));

// The file as a walk sees it, for harnesses with a closer look. `options`: as after --image-opts.
void WalkOpened(const FormatDriver& driver, const std::shared_ptr<SparseStorage>& file, const OpenContext& context);

// Bounds that leave room for legal images of a fuzzer's size.
Limits SmallLimits();

}  // namespace platter::fuzz
