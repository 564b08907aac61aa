// platter docker flatten: a disk with one ext4 file system out of a container image's layers.
#include <fmt/format.h>

#include "convert/copy/copy.h"
#include "convert/docker/flatten.h"
#include "formats/container_table.h"
#include "formats/containers/docker/archive.h"
#include "formats/format_table.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/container_image.h"
#include "tools/platter/convert_target.h"
#include "tools/platter/docker_verb.h"
#include "tools/platter/human_size.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"
#include "tools/platter/progress.h"
#include "tools/platter/volume_source.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct FlattenArguments {
  std::string archive;
  ImageChoice choice;
  docker::FlattenRequest request;
  ConvertArguments target;
};

constexpr option kOptions[] = {
    {"size", required_argument, nullptr, kSize},
    {"label", required_argument, nullptr, kLabel},
    {"image", required_argument, nullptr, kImage},
    {"platform", required_argument, nullptr, kPlatform},
};

// False after a message.
bool TakeOperands(const Invocation& call, const ArgumentParser& parser, FlattenArguments& arguments) {
  const auto operands = parser.operands();
  if (operands.size() != 2) {
    ComplainUsage(call.persona, "Expecting the archive and the file to write");
    return false;
  }
  arguments.archive = operands[0];
  arguments.target.target = operands[1];
  return true;
}

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, FlattenArguments& arguments) {
  arguments.target.target_format = "raw";
  while (const auto code = parser.Next()) {
    if (*code == kSize) {
      arguments.request.size = ParseSizeArgument(call.persona, "file system size", parser.value());
      if (!arguments.request.size) return false;
    }
    if (*code == kLabel) arguments.request.label = parser.value();
    if (*code == kImage) arguments.choice.image = parser.value();
    if (*code == kPlatform) arguments.choice.platform = parser.value();
    if (*code == 'O') arguments.target.target_format = parser.value();
    if (*code == 'c') arguments.target.compress = true;
    if (*code == 'p') arguments.target.progress = true;
    if (*code == 'q') arguments.target.quiet = true;
    if (*code == 'o' && !AddOptionList(call.persona, arguments.target.create_options, parser.value())) return false;
  }
  return !parser.exit_code() && TakeOperands(call, parser, arguments);
}

class FlattenRun {
 public:
  FlattenRun(const Persona& persona, const FlattenArguments& arguments) : persona_(persona), arguments_(arguments) {}

  int Run() {
    auto done = Gather();
    if (!done.ok()) {
      Complain(persona_, fmt::format("{}: {}", arguments_.archive, done.error().Describe()));
      return 1;
    }
    if (flattened_.volume.unheld_attributes != 0) {
      Complain(persona_, fmt::format("warning: {} extended attributes that ext4 has no place for are left out",
                                     flattened_.volume.unheld_attributes));
    }
    if (flattened_.volume.unheld_times != 0) {
      Complain(persona_, fmt::format("warning: {} times before 1901 or after 2446 are brought to the nearest one",
                                     flattened_.volume.unheld_times));
    }
    return Write();
  }

 private:
  Result<> Gather() {
    ImageArgument argument;
    argument.text = arguments_.archive;
    argument.format = "docker";
    argument.containers = true;
    const ImageSource source = PLATTER_TRY(ParseImageArgument(argument));
    const std::shared_ptr<Storage> storage = PLATTER_TRY(FileStorage::Open(source.path, source.mode));
    gate_.emplace(source.mode);
    OpenContext context;
    context.gate = &*gate_;
    archive_ = PLATTER_TRY(docker::OpenArchive(storage, context));
    const docker::Image* image = PLATTER_TRY(ChooseImage(archive_.catalog, arguments_.choice));
    flattened_ = PLATTER_TRY(docker::Flatten(archive_.catalog, *image, *archive_.blobs, arguments_.request));
    name_ = image->tags.empty() ? PlatformOf(*image) : image->tags.front();
    // For the target's sake: it must be another file.
    OpenedChain opened;
    opened.layers.push_back(PLATTER_TRY(OpenLayer(source.path, storage, FindFormat("raw"), context)));
    sources_.push_back(std::move(opened));
    return Done{};
  }

  int Write() {
    DenyGate gate;
    OpenContext context;
    context.gate = &gate;
    auto image = FindFormat("raw")->open(flattened_.volume.bytes, context);
    if (!image.ok()) {
      Complain(persona_, ReasonOf(image.error()));
      return 1;
    }
    const Chain chain({std::move(image).value()});
    auto target = ConvertTarget::Create(persona_, arguments_.target, sources_, chain.virtual_size());
    if (!target) return 1;
    const bool to_output = IsStandardOutput(target->path());
    Progress progress(arguments_.target.progress, false, chain.virtual_size(), to_output ? stderr : stdout);
    CopyOptions options;
    options.progress = [&progress](std::uint64_t done, std::uint64_t /*total*/) { progress.Update(done); };
    const auto filled = target->Fill(chain, std::move(options));
    progress.Finish(filled.ok());
    if (!filled.ok()) {
      Complain(persona_, ReasonOf(filled.error()));
      return 1;
    }
    target->Keep();
    if (!arguments_.target.quiet && !to_output) {
      PrintText("{}: {} of {}, {} in {} files, as a {} disk of {}\n", arguments_.target.target, PrintableName(name_),
                PrintableName(arguments_.archive), HumanSize(flattened_.bytes), flattened_.files,
                persona_.FormatName(target->driver()), HumanSize(chain.virtual_size()));
    }
    return 0;
  }

  const Persona& persona_;
  const FlattenArguments& arguments_;
  std::optional<LocalGate> gate_;
  docker::OpenedArchive archive_;
  std::vector<OpenedChain> sources_;
  docker::Flattened flattened_;
  std::string name_;
};

}  // namespace

int RunDockerFlatten(const Invocation& call) {
  ArgumentParser parser(call, "O:o:cpq", kOptions);
  FlattenArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  return FlattenRun(call.persona, arguments).Run();
}

}  // namespace platter::cli
