#include "formats/open.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "formats/format_table.h"

namespace platter {
namespace {

bool SameFile(const Storage& a, const Storage& b) { return a.identity().has_value() && a.identity() == b.identity(); }

Result<OpenedLayer> OpenReference(const Reference& backing, const OpenedLayer& above, const OpenContext& context) {
  const FormatDriver* driver = nullptr;
  if (!backing.format_hint.empty()) {
    driver = FindHinted(backing.format_hint, context.dialect);
    if (driver == nullptr) {
      return Error(ErrorKind::kUnsupported, fmt::format("Unknown driver '{}'", backing.format_hint)).In(above.path);
    }
  }
  auto storage = PLATTER_TRY(context.gate->Open(backing, above.path));
  OpenContext below = context;
  below.options = {};
  std::string path = storage->name();
  OpenedLayer layer = PLATTER_TRY(OpenLayer(std::move(path), std::move(storage), driver, below));
  PLATTER_CHECK(CheckIdentity(above, layer, context));
  return layer;
}

Error NotFound(const OpenedLayer& above, std::size_t tried) {
  const ImageInfo& info = above.image->info();
  return Error(ErrorKind::kIo, fmt::format("no backing file with the identity {} was found", info.backing_id))
      .In(above.path)
      .Found(fmt::format("{} {} files with others", tried, info.backing_search->format))
      .Allowed(fmt::format("one in {}", fmt::join(info.backing_search->folders, " or ")))
      .Try("name it with --image-opts, as backing.file.filename");
}

// The file with the right identity among those where it may be. Files that cannot be opened are other images' business.
Result<OpenedLayer> FindBacking(const OpenedLayer& above, const OpenContext& context) {
  const ImageInfo& info = above.image->info();
  const BackingSearch& search = *info.backing_search;
  std::size_t tried = 0;
  for (const std::string& folder : search.folders) {
    const auto names =
        PLATTER_TRY(context.gate->List(folder, search.suffix, above.path, context.limits.folder_entries));
    for (const std::string& name : names) {
      auto layer = OpenReference({Reference::Role::kBacking, name, search.format}, above, context);
      if (layer.ok() && layer.value().image->info().id == info.backing_id) return layer;
      ++tried;
    }
  }
  return NotFound(above, tried);
}

// Of all the places that the image names, the first that holds the right file; the first one's error where none does.
Result<OpenedLayer> OpenBacking(const OpenedLayer& above, const OpenContext& context) {
  const ImageInfo& info = above.image->info();
  if (!info.backing) return FindBacking(above, context);
  auto first = OpenReference(*info.backing, above, context);
  if (first.ok()) return first;
  for (const Reference& other : info.other_backing) {
    auto layer = OpenReference(other, above, context);
    if (layer.ok()) return layer;
  }
  return first;
}

}  // namespace

Chain OpenedChain::chain() const {
  std::vector<std::shared_ptr<Image>> images;
  for (const OpenedLayer& layer : layers) images.push_back(layer.image);
  return Chain(std::move(images));
}

Result<OpenedLayer> OpenLayer(std::string path, std::shared_ptr<Storage> storage, const FormatDriver* driver,
                              const OpenContext& context) {
  if (driver == nullptr) driver = PLATTER_TRY(ProbeFormat(*storage, context.dialect));
  auto image = driver->open(storage, context);
  if (!image.ok()) return std::move(image).error().In(path);
  return OpenedLayer{std::move(path), driver, std::move(storage), std::move(image).value()};
}

Result<> CheckIdentity(const OpenedLayer& above, const OpenedLayer& below, const OpenContext& context) {
  const std::string& wanted = above.image->info().backing_id;
  const std::string& found = below.image->info().id;
  if (!context.contents || wanted.empty() || wanted == found) return Done{};
  if (!found.empty() && found == above.image->info().other_backing_id) return Done{};
  return Error(ErrorKind::kCorrupt, "not the backing file that the image was made on, or changed since then")
      .In(below.path)
      .At("header", "identity")
      .Found(found.empty() ? "none" : found)
      .Allowed(fmt::format("{}, which {} names", wanted, above.path));
}

Result<OpenedChain> OpenChain(OpenedLayer top, const OpenContext& context) {
  OpenedChain opened;
  opened.layers.push_back(std::move(top));
  const auto has_backing = [](const ImageInfo& info) { return info.backing || info.backing_search; };
  while (has_backing(opened.layers.back().image->info())) {
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
          .Found(above.image->info().backing ? above.image->info().backing->text : next.value().path);
    }
    opened.layers.push_back(std::move(next).value());
  }
  return opened;
}

}  // namespace platter
