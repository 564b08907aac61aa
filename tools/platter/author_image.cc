#include "tools/platter/author_image.h"

#include <fmt/format.h>

#include <cstdio>

#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/new_image.h"
#include "tools/print.h"

namespace platter::cli {

Result<> AuthorImage(const Persona& persona, const AuthorArguments& arguments) {
  const FormatDriver* driver = FindFormat(arguments.format);
  if (driver == nullptr) return Error(ErrorKind::kInvalid, fmt::format("Unknown file format '{}'", arguments.format));
  if (driver->author == nullptr) {
    return Error(ErrorKind::kInvalid,
                 fmt::format("--from makes images of the format iso, not of '{}'", persona.FormatName(*driver)));
  }
  AuthorRequest request;
  request.folder = arguments.folder;
  PLATTER_CHECK(request.options.ParseMore(arguments.options, driver->author_options));
  for (const auto& [name, value] : arguments.switches) {
    PLATTER_CHECK(request.options.Set(name, value, driver->author_options));
  }
  const std::atomic<bool>& interrupted = CatchInterrupts();
  request.interrupted = [&interrupted] { return interrupted.load(std::memory_order_relaxed); };
  NewImageFiles files(CacheMode::kWriteback);
  const std::string path = PLATTER_TRY(TargetPath(persona, arguments.filename));
  request.storage = PLATTER_TRY(files.Make(path));
  if (!arguments.quiet) {
    PrintText(IsStandardOutput(path) ? stderr : stdout, "Formatting '{}', fmt={} from={}\n", arguments.filename,
              persona.FormatName(*driver), arguments.folder);
  }
  PLATTER_CHECK(driver->author(request));
  files.Keep();
  return Done{};
}

}  // namespace platter::cli
