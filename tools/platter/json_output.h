// JSON as qemu prints it: indented by four, and the members of an object in the order of qemu's hash table.
#pragma once

#include <string>

#include "formats/core/detail.h"

namespace platter::cli {

// The members in the order in which qemu's dictionary yields them after they were put in one by one.
Detail::Object InQemuOrder(const Detail::Object& members);

// Without a line end; strings as JsonString (formats/core/json.h) writes them.
std::string ToJson(const Detail& value);
// The same on one line.
std::string ToCompactJson(const Detail& value);

}  // namespace platter::cli
