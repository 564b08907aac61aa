#include "formats/container_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/format_table.h"

namespace platter {

#define PLATTER_CONTAINER(id)           \
  namespace id {                        \
  extern const ContainerDriver kDriver; \
  }
#include "formats/containers/containers.def"
#undef PLATTER_CONTAINER

namespace {

#define PLATTER_CONTAINER(id) &id::kDriver,
constexpr std::array kContainers = {
#include "formats/containers/containers.def"
};
#undef PLATTER_CONTAINER

}  // namespace

std::span<const ContainerDriver* const> AllContainers() noexcept { return kContainers; }

const ContainerDriver* FindContainer(std::string_view name) noexcept {
  const auto found = std::ranges::find(kContainers, name, [](const ContainerDriver* driver) { return driver->name; });
  return found == kContainers.end() ? nullptr : *found;
}

Result<const ContainerDriver*> ProbeContainer(const std::shared_ptr<Storage>& storage) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  std::vector<std::byte> head(std::min<std::uint64_t>(storage->size(), ProbeInput::kHead));
  PLATTER_CHECK(storage->ReadAt(0, head));
  for (const ContainerDriver* driver : kContainers) {
    const Likeness likeness = driver->probe({head, {}, storage->size()});
    if (likeness == Likeness::kCertain) return driver;
    if (likeness == Likeness::kMaybe && driver->open(storage, context).ok()) return driver;
  }
  return static_cast<const ContainerDriver*>(nullptr);
}

Result<OpenedLayer> OpenWrappedDisk(std::string_view name, Container& container, std::size_t disk,
                                    const OpenContext& context) {
  const WrappedDisk& wrapped = container.info().disks[disk];
  auto storage = PLATTER_TRY(container.OpenDisk(disk));
  DenyGate gate;
  OpenContext inside = context;
  inside.gate = &gate;
  const FormatDriver* driver = wrapped.format.empty() ? nullptr : FindFormat(wrapped.format);
  auto layer = OpenLayer(fmt::format("{}:{}", name, wrapped.file), std::move(storage), driver, inside);
  if (layer.ok()) return layer;
  Error error = std::move(layer).error();
  if (error.kind() != ErrorKind::kNotThisFormat) return error;
  return Error(ErrorKind::kCorrupt, "the disk is not in the format that the container says")
      .In(fmt::format("{}:{}", name, wrapped.file))
      .At("OVF descriptor", "Disk/@format")
      .Found("something else")
      .Allowed(wrapped.format);
}

}  // namespace platter
