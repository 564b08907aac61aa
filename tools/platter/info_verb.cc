// platter info: what an image is.
#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "formats/content.h"
#include "formats/open.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/container_report.h"
#include "tools/platter/image_report.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/wrapped_disk.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct InfoArguments {
  ImageArgument image;
  OutputFormat output = OutputFormat::kHuman;
  bool backing_chain = false;
};

constexpr option kOptions[] = {
    {"format", required_argument, nullptr, 'f'},
    {"output", required_argument, nullptr, kOutput},
    {"backing-chain", no_argument, nullptr, kBackingChain},
    {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
};

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, InfoArguments& arguments) {
  arguments.image.dialect = call.persona.dialect();
  arguments.image.containers = true;
  std::string output = "human";
  while (const auto code = parser.Next()) {
    if (*code == 'f') arguments.image.format = parser.value();
    if (*code == 'U') arguments.image.force_share = true;
    if (*code == kImageOpts) arguments.image.image_opts = true;
    if (*code == kBackingChain) arguments.backing_chain = true;
    if (*code == kOutput) output = parser.value();
  }
  if (parser.exit_code() || !TakeOnlyOperand(call, parser, arguments.image.text)) return false;
  const auto form = ParseOutputFormat(call.persona, output);
  if (form) arguments.output = *form;
  return form.has_value();
}

// qemu-img does not look, and an image with a backing file is not the whole disk. What cannot be read is not described.
Detail ContentOf(const Persona& persona, const OpenedLayer& layer) {
  const ImageInfo& info = layer.image->info();
  if (persona.as_qemu || info.backing || info.encrypted) return {};
  auto content = RecogniseContent(Chain({layer.image}));
  return content.ok() ? std::move(content).value() : Detail();
}

void PrintChain(const Persona& persona, const OpenedChain& chain, const ImageSource& source,
                const InfoArguments& arguments) {
  Detail::List reports;
  for (std::size_t depth = 0; depth < chain.layers.size(); ++depth) {
    const OpenedLayer& layer = chain.layers[depth];
    ReportedLayer reported{.layer = layer,
                           .name = depth == 0 ? ImageName(source) : layer.path,
                           .bare_file = depth == 0 && source.bare_file,
                           .content = ContentOf(persona, layer)};
    if (arguments.output == OutputFormat::kJson) {
      reports.push_back(ReportAsDetail(persona, reported));
    } else {
      if (depth > 0) PrintText("\n");
      PrintText("{}", ReportAsText(persona, reported));
    }
  }
  if (arguments.output != OutputFormat::kJson) return;
  PrintText("{}\n", arguments.backing_chain ? ToJson(reports) : ToJson(reports.front()));
}

// Prints what a container is. False where the file is none, and is described as an image.
Result<bool> PrintContainer(const Persona& persona, const ImageSource& source, OutputFormat output) {
  if (!source.containers || source.driver != nullptr) return false;
  const std::shared_ptr<Storage> storage = PLATTER_TRY(FileStorage::Open(source.path, source.mode));
  const ContainerDriver* driver = PLATTER_TRY(ContainerOf(storage, source.container));
  if (driver == nullptr) return false;
  LocalGate gate(source.mode);
  OpenContext context;
  context.gate = &gate;
  context.contents = false;
  const auto container = PLATTER_TRY(driver->open(storage, context));
  PLATTER_CHECK(container->MeasureLayers());
  const Detail report = ReportContainer(persona, source.path, *driver, *storage, *container, context);
  PrintText("{}", output == OutputFormat::kJson ? ToJson(report) + "\n" : ContainerText(report));
  return true;
}

}  // namespace

int RunInfo(const Invocation& call) {
  ArgumentParser parser(call, "f:U", kOptions);
  InfoArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  const auto source = ParseImageArgument(arguments.image);
  if (!source.ok()) {
    ComplainOpen(call.persona, arguments.image.text, source.error());
    return 1;
  }
  const auto container = PrintContainer(call.persona, source.value(), arguments.output);
  if (!container.ok()) {
    ComplainOpen(call.persona, arguments.image.text, container.error());
    return 1;
  }
  if (container.value()) return 0;
  const auto chain = OpenImage(source.value(), {.whole_chain = arguments.backing_chain, .contents = false});
  if (!chain.ok()) {
    ComplainOpen(call.persona, arguments.image.text, chain.error());
    return 1;
  }
  PrintChain(call.persona, chain.value(), source.value(), arguments);
  return 0;
}

}  // namespace platter::cli
