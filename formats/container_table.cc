#include "formats/container_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/content.h"
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

// Where nothing says that the bytes are a disk: one that holds disks in turn is none.
Result<> RefuseContainer(std::string_view name, const WrappedDisk& disk, const std::shared_ptr<Storage>& bytes) {
  const ContainerDriver* inner = PLATTER_TRY(ProbeContainer(bytes));
  if (inner == nullptr) return Done{};
  return Error(ErrorKind::kUnsupported, "what is wrapped is a container again, and no disk")
      .In(fmt::format("{}:{}", name, disk.file))
      .Found(std::string(inner->name))
      .Try("unpack it first");
}

}  // namespace

std::span<const ContainerDriver* const> AllContainers() noexcept { return kContainers; }

const ContainerDriver* FindContainer(std::string_view name) noexcept {
  const auto found = std::ranges::find(kContainers, name, [](const ContainerDriver* driver) { return driver->name; });
  return found == kContainers.end() ? nullptr : *found;
}

Result<bool> IsBareContent(const std::shared_ptr<Storage>& storage) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto image = PLATTER_TRY(FindFormat("raw")->open(storage, context));
  const Detail content = PLATTER_TRY(RecogniseContent(Chain({image})));
  const Detail* type = content.Find("type");
  const auto* name = type == nullptr ? nullptr : std::get_if<std::string>(&type->value());
  return name != nullptr && (*name == "aki" || *name == "ari");
}

Result<const ContainerDriver*> ProbeContainer(const std::shared_ptr<Storage>& storage) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  std::vector<std::byte> head(std::min<std::uint64_t>(storage->size(), ProbeInput::kHead));
  PLATTER_CHECK(storage->ReadAt(0, head));
  for (const ContainerDriver* driver : kContainers) {
    const Likeness likeness = driver->probe({head, {}, storage->size()});
    if (likeness == Likeness::kNo) continue;
    if (driver->yields_to_content && PLATTER_TRY(IsBareContent(storage))) continue;
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
  auto layer = OpenLayer(fmt::format("{}:{}", name, wrapped.file), storage, driver, inside);
  if (layer.ok()) {
    if (driver == nullptr && layer.value().driver->name == "raw")
      PLATTER_CHECK(RefuseContainer(name, wrapped, storage));
    return layer;
  }
  Error error = std::move(layer).error();
  if (error.kind() != ErrorKind::kNotThisFormat) return error;
  return Error(ErrorKind::kCorrupt, "the disk is not in the format that the container says")
      .In(fmt::format("{}:{}", name, wrapped.file))
      .At("OVF descriptor", "Disk/@format")
      .Found("something else")
      .Allowed(wrapped.format);
}

}  // namespace platter
