// Making a new image: the writer that fits the wanted subformat.
#pragma once

#include <memory>

#include "formats/core/driver.h"
#include "formats/core/result.h"
#include "formats/core/writer.h"

namespace platter::vmdk {

// FormatDriver::create.
Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request);

}  // namespace platter::vmdk
