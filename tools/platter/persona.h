// Who we are for this run: platter, or qemu-img when called by that name.
#pragma once

#include <string>
#include <string_view>

#include "formats/core/driver.h"

namespace platter::cli {

struct Persona {
  std::string program;   // the base name we were called by; every message starts with it
  bool as_qemu = false;  // print exactly what qemu-img prints, and be wrong where it is wrong

  // Any base name that starts with "qemu-img" is qemu-img.
  static Persona FromCommandName(std::string_view argv0);

  Dialect dialect() const noexcept { return as_qemu ? Dialect::kQemu : Dialect::kPlatter; }
  // What we call the format: qemu's word where it has one.
  std::string_view FormatName(const FormatDriver& driver) const;
};

}  // namespace platter::cli
