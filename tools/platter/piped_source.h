// "-" as the source of a conversion: an appliance on the standard input, which is read once.
#pragma once

#include <memory>

#include "formats/containers/ova/passing.h"
#include "formats/core/result.h"
#include "formats/open.h"
#include "tools/platter/open_arguments.h"

namespace platter::cli {

struct PipedSource {
  OpenedChain chain;
  std::unique_ptr<ova::PassingAppliance> appliance;  // to be finished once the disk is read
};

// Whether the argument means the standard input: never to qemu-img, and not among options.
bool IsStandardInput(const ImageArgument& argument) noexcept;

// kInvalid for a format that is no container read from pipes; as ova::OpenPassing, ChooseDisk and OpenWrappedChain.
Result<PipedSource> OpenStandardInput(const ImageArgument& argument);

}  // namespace platter::cli
