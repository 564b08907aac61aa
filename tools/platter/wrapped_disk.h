// Disks in containers, as a command line names them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "formats/container_table.h"
#include "formats/core/result.h"

namespace platter::cli {

// The container's driver where a file is one to us: recognised by content, and no disk image at the same time; or asked
// for by name. Null for any other file. kIo.
Result<const ContainerDriver*> ContainerOf(const std::shared_ptr<Storage>& storage, const ContainerDriver* wanted);

// Which disk is meant: `wanted` is a number from 1 on, an id or a file's name. kInvalid where nothing is said and there
// are several, where nothing fits, and where there is no disk at all; the message lists them.
Result<std::size_t> ChooseDisk(const Container& container, const std::optional<std::string>& wanted);

}  // namespace platter::cli
