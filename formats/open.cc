#include "formats/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/format_table.h"

namespace platter {
namespace {

bool SameFile(const Storage& a, const Storage& b) { return a.identity().has_value() && a.identity() == b.identity(); }

Result<OpenedLayer> OpenBacking(const OpenedLayer& above, const OpenContext& context) {
  const Reference& backing = *above.image->info().backing;
  const FormatDriver* driver = nullptr;
  if (!backing.format_hint.empty()) {
    driver = FindFormat(backing.format_hint);
    if (driver == nullptr) {
      return Error(ErrorKind::kUnsupported, fmt::format("Unknown driver '{}'", backing.format_hint)).In(above.path);
    }
  }
  auto storage = PLATTER_TRY(context.gate->Open(backing, above.path));
  OpenContext below = context;
  below.options = {};
  std::string path = storage->name();
  return OpenLayer(std::move(path), std::move(storage), driver, below);
}

}  // namespace

Chain OpenedChain::chain() const {
  std::vector<std::shared_ptr<Image>> images;
  for (const OpenedLayer& layer : layers) images.push_back(layer.image);
  return Chain(std::move(images));
}

Result<OpenedLayer> OpenLayer(std::string path, std::shared_ptr<Storage> storage, const FormatDriver* driver,
                              const OpenContext& context) {
  if (driver == nullptr) driver = PLATTER_TRY(ProbeFormat(*storage));
  auto image = driver->open(storage, context);
  if (!image.ok()) return std::move(image).error().In(path);
  return OpenedLayer{std::move(path), driver, std::move(storage), std::move(image).value()};
}

Result<OpenedChain> OpenChain(OpenedLayer top, const OpenContext& context) {
  OpenedChain opened;
  opened.layers.push_back(std::move(top));
  while (opened.layers.back().image->info().backing) {
    const OpenedLayer& above = opened.layers.back();
    if (opened.layers.size() >= context.limits.chain_depth) {
      return Error(ErrorKind::kLimit, "backing chain is too deep")
          .In(above.path)
          .Allowed(fmt::format("{} layers", context.limits.chain_depth));
    }
    auto next = OpenBacking(above, context);
    if (!next.ok()) return std::move(next).error().While(fmt::format("opening the backing file of {}", above.path));
    const auto seen = [&](const OpenedLayer& layer) { return SameFile(*layer.storage, *next.value().storage); };
    if (std::ranges::any_of(opened.layers, seen)) {
      return Error(ErrorKind::kCorrupt, "backing chain comes back to a file that it has been through")
          .In(above.path)
          .At("header", "backing file name")
          .Found(above.image->info().backing->text);
    }
    opened.layers.push_back(std::move(next).value());
  }
  return opened;
}

}  // namespace platter
