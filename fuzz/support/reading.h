// An image as other programs read it, each in a process of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {

// The start of a guest disk.
struct Reading {
  std::uint64_t size = 0;        // guest bytes, of the disk
  std::vector<std::byte> bytes;  // as far as they could be read, kPeerReads at most
};

// `library`: "qcow", "vhdi" or "vmdk". Empty: it refuses the image, or does not survive it.
std::optional<Reading> LibraryReading(std::string_view library, SparseStorage& file);

// `format`: as we call it. Empty: qemu-img refuses the image, cannot read all of these bytes, or takes over 5 s.
std::optional<Reading> QemuReading(std::string_view format, SparseStorage& file);

}  // namespace platter::fuzz
