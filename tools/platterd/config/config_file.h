// Configuration files in oslo.config's dialect of INI, as a glance-api.conf is written: "name = value" or "name: value"
// in [sections], comments with # or ; at the start of a line, lines that begin with a space go on with the value before
// them, a pair of quotes around a value is taken off, $name, ${name} and $section.name stand for other options' values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"

namespace platter::platterd {

struct Setting {
  std::string section;  // as written; "DEFAULT" for the general one
  std::string name;     // with underscores for dashes
  std::string value;    // lines of a continued one with "\n" between
  std::string file;
  std::size_t line = 0;      // counts from 1
  std::string written = {};  // the value before references were replaced: what messages show
};

// In the order of the file. kInvalid with file and line for a line that is none of these.
Result<std::vector<Setting>> ReadConfig(std::string_view text, const std::string& file);
// kNotFound, kIo, kLimit (over 1 MiB), or as above.
Result<std::vector<Setting>> ReadConfigFile(const std::string& file);

}  // namespace platter::platterd
