// The containers that this build knows, recognition among them, and the disks in them.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "formats/containers/container.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/open.h"

namespace platter {

// In the order of containers.def.
std::span<const ContainerDriver* const> AllContainers() noexcept;
// By ContainerDriver::name; null when there is none.
const ContainerDriver* FindContainer(std::string_view name) noexcept;
// Whether the bytes are a kernel or a ramdisk as they stand (ContainerDriver::yields_to_content). kIo.
Result<bool> IsBareContent(const std::shared_ptr<Storage>& storage);
// The container that the file is; null when it is none, or none that can be opened. Opens no other file. kIo.
Result<const ContainerDriver*> ProbeContainer(const std::shared_ptr<Storage>& storage);

// Opens a disk of the container `name`, in the format that the container claims, or by its content where it claims
// none. What the disk names in turn is refused: kDenied. The path is NAME:FILE. Requires: disk <
// container.info().disks.size().
Result<OpenedLayer> OpenWrappedDisk(std::string_view name, Container& container, std::size_t disk,
                                    const OpenContext& context);

// The same with the disks below it, where the container says that it is a layer above another one
// (WrappedDisk::parent): a layer that names its parent gets that disk, whatever name it has for it. kCorrupt for a
// parent that is not the one that the layer was made on; kUnsupported for a layer in a format that has no layers.
Result<OpenedChain> OpenWrappedChain(std::string_view name, Container& container, std::size_t disk,
                                     const OpenContext& context);

}  // namespace platter
