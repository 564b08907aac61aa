// What a member is called: its header says it, and what stands in front of that, in words of GNU's or of pax's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/containers/tar/header.h"
#include "formats/containers/tar/pax.h"

namespace platter::tar {

// What stands in front of a member's header and is about it.
struct Announced {
  std::optional<std::string> name;  // GNU's, types L and K
  std::optional<std::string> link;
  std::optional<PaxRecords> pax;

  bool empty() const noexcept { return !name && !link && !pax; }
};

struct Names {
  std::string name;
  std::string link;
  // What it is to some programs instead.
  std::vector<std::string> other_names = {};
  std::vector<std::string> other_links = {};
};

// Where there are two names, pax's counts, as it does for GNU tar; for others the one that stands first, or GNU's.
Names NamesOf(const Header& header, const Announced& announced);

}  // namespace platter::tar
