// Opening a guest disk by file name: recognition, the driver's open, and the backing chain below it.
#pragma once

#include <memory>
#include <string>

#include "formats/core/chain.h"
#include "formats/core/driver.h"
#include "formats/core/file_storage.h"
#include "formats/core/result.h"

namespace platter {

// One layer of an opened chain, as it was found.
struct OpenedLayer {
  std::string path;            // of the image file, as resolved
  const FormatDriver* driver;  // never null
  std::shared_ptr<Storage> storage;
  std::shared_ptr<Image> image;
};

struct OpenedChain {
  std::vector<OpenedLayer> layers;  // top first, at least one
  Chain chain() const;
};

// Opens one image from an open file. `driver` null: recognise by content.
Result<OpenedLayer> OpenLayer(std::string path, std::shared_ptr<Storage> storage, const FormatDriver* driver,
                              const OpenContext& context);

// kCorrupt where `below` is not the layer that `above` was made on (ImageInfo::id); Done where only descriptions are
// wanted.
Result<> CheckIdentity(const OpenedLayer& above, const OpenedLayer& below, const OpenContext& context);

// Opens everything below `top`, through context.gate. kCorrupt for a chain that comes back to a file it has already
// been through, and for a layer that is not the one its upper neighbour was made on (ImageInfo::id; not when only
// descriptions are wanted); kLimit for one deeper than the limits allow; the other kinds as FormatDriver::open.
Result<OpenedChain> OpenChain(OpenedLayer top, const OpenContext& context);

}  // namespace platter
