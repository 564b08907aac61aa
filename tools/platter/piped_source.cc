#include "tools/platter/piped_source.h"

#include <unistd.h>

#include <utility>

#include "formats/container_table.h"
#include "formats/core/forward_storage.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/wrapped_disk.h"

namespace platter::cli {

bool IsStandardInput(const ImageArgument& argument) noexcept {
  return argument.text == "-" && argument.dialect == Dialect::kPlatter && !argument.image_opts;
}

Result<PipedSource> OpenStandardInput(const ImageArgument& argument) {
  constexpr const char* kName = "standard input";
  if (!argument.format.empty() && argument.format != "ova") {
    return Error(ErrorKind::kInvalid, "of the standard input an OVA is read, and no other format")
        .Found(argument.format)
        .Allowed("ova");
  }
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  PipedSource source;
  source.appliance = PLATTER_TRY(
      ova::OpenPassing(std::make_shared<ForwardStorage>(kName, STDIN_FILENO, &CatchInterrupts()), context.limits));
  const std::size_t disk = PLATTER_TRY(ChooseDisk(*source.appliance, argument.disk));
  source.chain = PLATTER_TRY(OpenWrappedChain(kName, *source.appliance, disk, context));
  return source;
}

}  // namespace platter::cli
