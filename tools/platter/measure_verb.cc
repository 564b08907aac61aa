// platter measure: how large a converted image would be.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "formats/format_table.h"
#include "formats/open.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/hidden_map.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"
#include "tools/platter/snapshot_argument.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct MeasureArguments {
  ImageArgument image;
  OutputFormat output = OutputFormat::kHuman;
  std::string target_format = "raw";  // -O
  std::string options;                // every -o, joined
  std::optional<SnapshotArgument> snapshot;
  std::optional<std::uint64_t> size;  // --size, guest bytes
};

constexpr option kOptions[] = {
    {"image-opts", no_argument, nullptr, kImageOpts}, {"output", required_argument, nullptr, kOutput},
    {"size", required_argument, nullptr, kSize},      {"disk", required_argument, nullptr, kDisk},
    {"force-share", no_argument, nullptr, 'U'},
};

bool TakeSnapshot(const Persona& persona, std::string_view text, MeasureArguments& arguments) {
  auto snapshot = ParseSnapshotArgument(text);
  if (!snapshot.ok()) {
    Complain(persona, ReasonOf(snapshot.error()));
    Complain(persona, fmt::format("Failed in parsing snapshot param '{}'", text));
    return false;
  }
  arguments.snapshot = std::move(snapshot).value();
  return true;
}

// Reads one option. False, after a message, when its value is wrong.
bool TakeOption(const Persona& persona, int code, std::string_view value, MeasureArguments& arguments) {
  switch (code) {
    case 'f':
      arguments.image.format = value;
      return true;
    case 'U':
      arguments.image.force_share = true;
      return true;
    case 'O':
      arguments.target_format = value;
      return true;
    case 'o':
      return AddOptionList(persona, arguments.options, value);
    case 'l':
      return TakeSnapshot(persona, value, arguments);
    case kImageOpts:
      arguments.image.image_opts = true;
      return true;
    case kDisk:
      arguments.image.disk = value;
      return true;
    case kOutput: {
      const auto form = ParseOutputFormat(persona, value);
      if (form) arguments.output = *form;
      return form.has_value();
    }
    case kSize:
      arguments.size = ParseSizeArgument(persona, "image size", value);
      return arguments.size.has_value();
    default:
      return true;
  }
}

// "" when the arguments go together.
std::string_view Contradiction(const std::vector<std::string>& operands, const MeasureArguments& arguments) {
  if (operands.size() > 1) return "At most one filename argument is allowed.";
  const bool wants_file = arguments.image.image_opts || !arguments.image.format.empty() || arguments.snapshot;
  if (operands.empty() && wants_file) return "--image-opts, -f, and -l require a filename argument.";
  if (operands.empty() && arguments.image.disk) return "--disk requires a filename argument.";
  if (operands.empty() && !arguments.size) return "Either --size N or one filename must be specified.";
  if (!operands.empty() && arguments.size) return "--size N cannot be used together with a filename.";
  return "";
}

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, MeasureArguments& arguments) {
  arguments.image.dialect = call.persona.dialect();
  arguments.image.containers = true;
  while (const auto code = parser.Next()) {
    if (!TakeOption(call.persona, *code, parser.value(), arguments)) return false;
  }
  if (parser.exit_code()) return false;
  const auto operands = parser.operands();
  if (const auto wrong = Contradiction(operands, arguments); !wrong.empty()) {
    Complain(call.persona, wrong);
    return false;
  }
  if (!operands.empty()) arguments.image.text = operands[0];
  return true;
}

struct Source {
  std::optional<Chain> chain;      // whose data counts
  std::optional<Chain> active;     // whose bitmaps count, where `chain` is a snapshot
  std::uint64_t virtual_size = 0;  // guest bytes
};

// Empty after a message.
std::optional<Source> OpenSource(const Persona& persona, const MeasureArguments& arguments) {
  if (arguments.size) return Source{std::nullopt, std::nullopt, *arguments.size};
  auto opened = OpenImage(arguments.image, {});
  if (!opened.ok()) {
    ComplainOpen(persona, arguments.image.text, opened.error());
    return std::nullopt;
  }
  if (persona.as_qemu) HideFromQemu(opened.value());
  if (arguments.snapshot) {
    auto snapshot = OpenSnapshot(opened.value(), *arguments.snapshot);
    if (!snapshot.ok()) {
      Complain(persona, fmt::format("Failed to load snapshot: {}", ReasonOf(snapshot.error())));
      return std::nullopt;
    }
    const std::uint64_t size = snapshot.value().virtual_size();
    return Source{std::move(snapshot).value(), opened.value().chain(), size};
  }
  const auto encrypted = [](const OpenedLayer& layer) { return layer.image->info().encrypted; };
  if (std::ranges::any_of(opened.value().layers, encrypted)) {
    Complain(persona,
             fmt::format("Could not open '{}': the image is encrypted, which is not supported", arguments.image.text));
    return std::nullopt;
  }
  Chain chain = opened.value().chain();
  const std::uint64_t size = chain.virtual_size();
  return Source{std::move(chain), std::nullopt, size};
}

// The target's driver and options. Null after a message.
const FormatDriver* FindTarget(const Persona& persona, const MeasureArguments& arguments, OptionValues& options) {
  const FormatDriver* driver = FindFormat(arguments.target_format, persona.dialect());
  if (driver == nullptr) {
    Complain(persona, fmt::format("Unknown file format '{}'", arguments.target_format));
    return nullptr;
  }
  if (driver->measure == nullptr || (persona.as_qemu && driver->measure_beyond_qemu)) {
    Complain(persona, fmt::format("Block driver '{}' does not support size measurement", persona.FormatName(*driver)));
    return nullptr;
  }
  const auto parsed = options.ParseMore(arguments.options, CreateOptionsFor(persona, *driver));
  if (parsed.ok()) return driver;
  Complain(persona, ReasonOf(parsed.error()));
  Complain(persona, fmt::format("Invalid options for file format '{}'", persona.FormatName(*driver)));
  return nullptr;
}

Result<Measurement> Measure(const FormatDriver& driver, const Source& source, OptionValues options) {
  MeasureRequest request;
  request.virtual_size = source.virtual_size;
  request.options = std::move(options);
  request.source = source.chain ? &*source.chain : nullptr;
  Measurement measured = PLATTER_TRY(driver.measure(request));
  if (source.active) {
    // Bitmaps belong to the image, not to its snapshots.
    request.source = &*source.active;
    request.virtual_size = source.active->virtual_size();
    measured.bitmaps = PLATTER_TRY(driver.measure(request)).bitmaps;
  }
  return measured;
}

void Print(OutputFormat output, const Measurement& measured) {
  if (output == OutputFormat::kHuman) {
    PrintText("required size: {}\nfully allocated size: {}\n", measured.required, measured.fully_allocated);
    if (measured.bitmaps) PrintText("bitmaps size: {}\n", *measured.bitmaps);
    return;
  }
  Detail detail;
  detail.Add("required", measured.required).Add("fully-allocated", measured.fully_allocated);
  if (measured.bitmaps) detail.Add("bitmaps", *measured.bitmaps);
  PrintText("{}\n", ToJson(detail));
}

}  // namespace

int RunMeasure(const Invocation& call) {
  ArgumentParser parser(call, "f:l:o:O:U", kOptions);
  MeasureArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  const auto source = OpenSource(call.persona, arguments);
  if (!source) return 1;
  OptionValues options;
  const FormatDriver* driver = FindTarget(call.persona, arguments, options);
  if (driver == nullptr) return 1;
  const auto measured = Measure(*driver, *source, std::move(options));
  if (!measured.ok()) {
    Complain(call.persona, ReasonOf(measured.error()));
    return 1;
  }
  Print(arguments.output, measured.value());
  return 0;
}

}  // namespace platter::cli
