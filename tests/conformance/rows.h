// The conformance table: one row per format. Every test of this suite runs for every row, so that a new format adds its
// row and nothing else.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/guest.h"

namespace platter::test {

// One way of making an image of the format.
struct Variant {
  std::string_view options = "";  // of create, as after -o
  bool compress = false;
};

struct ConformanceRow {
  std::string_view format;             // FormatDriver::name
  std::span<const Variant> ours = {};  // images that our writer makes; empty for a format that is read only
  // Images that the peer makes: qemu-img create -f peer_format -o options. Empty: nobody else makes them.
  std::span<const Variant> peers = {};
  std::string_view peer_format = "";  // the peer's name of the format; "" where no peer reads it
  bool peer_checks = false;           // qemu-img check knows it
  // An image cut short is recognised as such. False where any file is a legal image.
  bool truncation_shows = true;
  std::uint64_t largest_virtual_size = 0;  // guest bytes; an empty image of it opens and maps in bounded memory
  // Changes a random disk into one that the format can hold, where it cannot hold any.
  void (*shape)(GuestDisk&) = nullptr;
};

// GoogleTest's way of printing a parameter.
inline void PrintTo(const ConformanceRow& row, std::ostream* out) { *out << row.format; }

std::span<const ConformanceRow> ConformanceRows();

}  // namespace platter::test
