#include "tools/platter/persona.h"

namespace platter::cli {

Persona Persona::FromCommandName(std::string_view argv0) {
  const std::string_view base = argv0.substr(argv0.rfind('/') + 1);
  return Persona{.program = std::string(base.empty() ? "platter" : base), .as_qemu = base.starts_with("qemu-img")};
}

std::string_view Persona::FormatName(const FormatDriver& driver) const {
  return !driver.qemu_name.empty() ? driver.qemu_name : driver.name;
}

}  // namespace platter::cli
