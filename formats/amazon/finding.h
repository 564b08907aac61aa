// One line about a field that says what it must not.
#pragma once

#include <string>
#include <string_view>

#include "formats/core/error.h"

namespace platter::amazon {

template <class T>
std::string Finding(std::string what, std::string_view structure, std::string_view field, std::uint64_t offset, T found,
                    std::string allowed) {
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At(std::string(structure), std::string(field), offset)
      .Found(found)
      .Allowed(std::move(allowed))
      .Describe();
}

}  // namespace platter::amazon
