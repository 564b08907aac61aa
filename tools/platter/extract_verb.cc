// platter extract: files inside an image into a folder.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "tools/platter/argument_parser.h"
#include "tools/platter/extraction.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/volume_source.h"

namespace platter::cli {
namespace {

struct ExtractArguments {
  ImageArgument image;
  std::string folder = ".";
  std::string tree;
  std::vector<std::string> paths;  // empty: everything
};

constexpr option kOptions[] = {
    {"disk", required_argument, nullptr, kDisk},      {"format", required_argument, nullptr, 'f'},
    {"directory", required_argument, nullptr, 'C'},   {"tree", required_argument, nullptr, kTree},
    {"image-opts", no_argument, nullptr, kImageOpts}, {"force-share", no_argument, nullptr, 'U'},
};

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, ExtractArguments& arguments) {
  while (const auto code = parser.Next()) {
    if (*code == 'f') arguments.image.format = parser.value();
    if (*code == kDisk) arguments.image.disk = parser.value();
    if (*code == 'C') arguments.folder = parser.value();
    if (*code == 'U') arguments.image.force_share = true;
    if (*code == kImageOpts) arguments.image.image_opts = true;
    if (*code == kTree) arguments.tree = parser.value();
  }
  if (parser.exit_code()) return false;
  arguments.paths = parser.operands();
  if (arguments.paths.empty()) {
    ComplainUsage(call.persona, "Expecting an image file name");
    return false;
  }
  arguments.image.text = arguments.paths.front();
  arguments.paths.erase(arguments.paths.begin());
  return true;
}

Result<> ExtractAll(const VolumeSource& source, Extraction& extraction, const ExtractArguments& arguments) {
  // A wrong path leaves no folder behind.
  for (const std::string& path : arguments.paths) PLATTER_CHECK(FindEntry(source.tree(), path, false));
  PLATTER_CHECK(extraction.OpenFolder(arguments.folder));
  if (arguments.paths.empty()) PLATTER_CHECK(extraction.Extract(""));
  for (const std::string& path : arguments.paths) PLATTER_CHECK(extraction.Extract(path));
  extraction.Finish();
  return source.Unchanged();
}

}  // namespace

int RunExtract(const Invocation& call) {
  ArgumentParser parser(call, "f:C:U", kOptions);
  ExtractArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  const auto source = VolumeSource::Open(arguments.image, arguments.tree);
  if (!source.ok()) {
    ComplainOpen(call.persona, arguments.image.text, source.error());
    return 1;
  }
  bool whole = true;
  Extraction extraction(source.value().tree(), CatchInterrupts(), [&](const std::string& path, const std::string& why) {
    Complain(call.persona, fmt::format("{}: {}", PrintableName(path.empty() ? "/" : path), why));
    whole = false;
  });
  const auto extracted = ExtractAll(source.value(), extraction, arguments);
  if (extracted.ok()) return whole ? 0 : 1;
  Complain(call.persona, ReasonOf(extracted.error()));
  return 1;
}

}  // namespace platter::cli
