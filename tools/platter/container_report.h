// The description of a container, as `info` prints it.
#pragma once

#include <memory>
#include <string>

#include "formats/container_table.h"
#include "formats/core/detail.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// Layers are described as far as they have been measured. Each disk is opened for its description; one that cannot be
// has an "error" that says why.
Detail ReportContainer(const Persona& persona, const std::string& name, const ContainerDriver& driver,
                       const Storage& storage, Container& container, const OpenContext& context);

// The same for people.
std::string ContainerText(const Detail& report);

}  // namespace platter::cli
