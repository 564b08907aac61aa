#include "formats/container_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
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

// A raw disk is as long as its file: that its last chunks are missing only the capacity tells.
Result<> CheckEnd(std::string_view name, const WrappedDisk& disk, const Image& image) {
  const std::uint64_t size = image.info().virtual_size;
  if (!disk.open_ended || !disk.capacity || size >= *disk.capacity) return Done{};
  return Error(ErrorKind::kCorrupt, "the chunks of the file end before the disk does: the last ones are missing")
      .In(fmt::format("{}:{}", name, disk.file))
      .At("OVF descriptor", "File/@chunkSize")
      .Found(size)
      .Allowed(fmt::format("{}, the disk's capacity", *disk.capacity));
}

bool NamesParent(const ImageInfo& info) noexcept {
  return info.backing || info.backing_search || !info.backing_id.empty();
}

// Opens what lies below the layers of `chain`, of which the last is the disk `at`. True where there is something.
Result<bool> OpenParent(std::string_view name, Container& container, std::size_t& at, const OpenContext& context,
                        OpenedChain& chain) {
  const std::vector<WrappedDisk>& disks = container.info().disks;
  const OpenedLayer& above = chain.layers.back();
  if (disks[at].parent.empty()) return false;
  const auto parent = std::ranges::find(disks, disks[at].parent, &WrappedDisk::id);
  // Where the container has no such disk it has been refused before.
  if (parent == disks.end()) return false;
  if (!NamesParent(above.image->info()) && !above.driver->can_have_backing) {
    return Error(ErrorKind::kUnsupported, "the disk is a layer above another one, in a format without layers")
        .In(above.path)
        .At("OVF descriptor", "Disk/@parentRef")
        .Found(disks[at].parent);
  }
  if (chain.layers.size() >= context.limits.chain_depth) {
    return Error(ErrorKind::kLimit, "backing chain is too deep")
        .In(above.path)
        .Allowed(fmt::format("{} layers", context.limits.chain_depth));
  }
  at = static_cast<std::size_t>(parent - disks.begin());
  auto below = OpenWrappedDisk(name, container, at, context);
  if (!below.ok()) return std::move(below).error().While(fmt::format("opening the disk below {}", above.path));
  PLATTER_CHECK(CheckIdentity(above, below.value(), context));
  chain.layers.push_back(std::move(below).value());
  return true;
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
  const std::string_view type = PLATTER_TRY(TypeOfContent(Chain({image})));
  return type == "aki" || type == "ari";
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
    const bool raw = layer.value().driver->name == "raw";
    if (driver == nullptr && raw) PLATTER_CHECK(RefuseContainer(name, wrapped, storage));
    if (raw) PLATTER_CHECK(CheckEnd(name, wrapped, *layer.value().image));
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

Result<OpenedChain> OpenWrappedChain(std::string_view name, Container& container, std::size_t disk,
                                     const OpenContext& context) {
  OpenedChain chain;
  chain.layers.push_back(PLATTER_TRY(OpenWrappedDisk(name, container, disk, context)));
  while (PLATTER_TRY(OpenParent(name, container, disk, context, chain))) continue;
  // What the lowest one names is another file.
  DenyGate gate;
  OpenContext inside = context;
  inside.gate = &gate;
  OpenedLayer lowest = std::move(chain.layers.back());
  chain.layers.pop_back();
  std::ranges::move(PLATTER_TRY(OpenChain(std::move(lowest), inside)).layers, std::back_inserter(chain.layers));
  return chain;
}

}  // namespace platter
