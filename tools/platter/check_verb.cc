// platter check: is an image's metadata sound, and repair.
#include <fmt/format.h>

#include <array>
#include <cstdio>

#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "formats/open.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kCorrupt = 2;
constexpr int kLeaks = 3;
constexpr int kNoSuchCheck = 63;

struct CheckArguments {
  ImageArgument image;
  OutputFormat output = OutputFormat::kHuman;
  Repair repair = Repair::kNothing;
  bool quiet = false;
};

constexpr option kOptions[] = {
    {"format", required_argument, nullptr, 'f'},     {"repair", required_argument, nullptr, 'r'},
    {"output", required_argument, nullptr, kOutput}, {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
};

bool ParseRepair(const Persona& persona, std::string_view text, CheckArguments& arguments) {
  if (text != "leaks" && text != "all") {
    ComplainUsage(persona, fmt::format("Unknown option value for -r (expecting 'leaks' or 'all'): {}", text));
    return false;
  }
  arguments.repair = text == "all" ? Repair::kAll : Repair::kLeaks;
  arguments.image.access = FileMode::Access::kReadWrite;
  return true;
}

// Reads one option. False, after a message, when its value is wrong.
bool TakeOption(const Persona& persona, int code, std::string_view value, std::string& output, std::string& cache,
                CheckArguments& arguments) {
  if (code == 'f') arguments.image.format = value;
  if (code == 'r') return ParseRepair(persona, value, arguments);
  if (code == 'T') cache = value;
  if (code == 'q') arguments.quiet = true;
  if (code == 'U') arguments.image.force_share = true;
  if (code == kOutput) output = value;
  if (code == kImageOpts) arguments.image.image_opts = true;
  return true;
}

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, CheckArguments& arguments) {
  arguments.image.dialect = call.persona.dialect();
  std::string output = "human";
  std::string cache = "writeback";
  while (const auto code = parser.Next()) {
    if (!TakeOption(call.persona, *code, parser.value(), output, cache, arguments)) return false;
  }
  if (parser.exit_code() || !TakeOnlyOperand(call, parser, arguments.image.text)) return false;
  const auto form = ParseOutputFormat(call.persona, output);
  if (!form) return false;
  arguments.output = *form;
  const auto mode = ParseCacheMode(cache);
  if (!mode.ok()) {
    Complain(call.persona, fmt::format("Invalid source cache option: {}", cache));
    return false;
  }
  arguments.image.cache = mode.value();
  return true;
}

struct Checked {
  const FormatDriver* driver = nullptr;
  std::optional<CheckReport> report;  // empty: the format has no such check
};

// qemu-img opens an image with everything below it before it checks it, and cannot without the key of an encrypted one.
Result<> OpenBelow(const OpenedLayer& layer, const OpenContext& context) {
  if (layer.image->info().encrypted) {
    return Error(ErrorKind::kUnsupported, "the image is encrypted, which is not supported").In(layer.path);
  }
  OpenedLayer top = layer;
  PLATTER_TRY(OpenChain(std::move(top), context));
  return Done{};
}

Result<Checked> Check(const Persona& persona, const ImageSource& source, Repair repair) {
  LocalGate gate(source.mode);
  CheckRequest request;
  request.storage = PLATTER_TRY(FileStorage::Open(source.path, source.mode));
  request.repair = repair;
  request.context.gate = &gate;
  request.context.dialect = source.dialect;
  request.context.options = source.open_options;
  request.log = [](const std::string& line) {
    std::fflush(stdout);
    PrintText(stderr, "{}\n", line);
  };
  Checked checked{source.driver, std::nullopt};
  if (checked.driver == nullptr) checked.driver = PLATTER_TRY(ProbeFormat(*request.storage, source.dialect));
  const bool beyond_qemu = persona.as_qemu && checked.driver->check_beyond_qemu;
  const auto check = beyond_qemu ? nullptr : checked.driver->check;
  if (check == nullptr || persona.as_qemu) {
    auto layer = OpenLayer(source.path, request.storage, checked.driver, request.context);
    // A damaged image is the check's business.
    if (!layer.ok() && (check == nullptr || layer.error().kind() != ErrorKind::kCorrupt)) {
      return std::move(layer).error();
    }
    if (layer.ok()) PLATTER_CHECK(OpenBelow(layer.value(), request.context));
  }
  const bool can = repair == Repair::kNothing || checked.driver->can_repair;
  if (check != nullptr && can) checked.report = PLATTER_TRY(check(request));
  return checked;
}

Detail ReportDetail(const Persona& persona, const CheckArguments& arguments, const Checked& checked) {
  const CheckReport& report = *checked.report;
  Detail detail;
  detail.Add("filename", arguments.image.text).Add("format", persona.FormatName(*checked.driver));
  detail.Add("check-errors", report.check_errors);
  const std::array<std::pair<const char*, std::uint64_t>, 9> counts = {{
      {"image-end-offset", report.image_end_offset},
      {"corruptions", report.corruptions},
      {"leaks", report.leaks},
      {"corruptions-fixed", report.corruptions_fixed},
      {"leaks-fixed", report.leaks_fixed},
      {"total-clusters", report.total_clusters},
      {"allocated-clusters", report.allocated_clusters},
      {"fragmented-clusters", report.fragmented_clusters},
      {"compressed-clusters", report.compressed_clusters},
  }};
  for (const auto& [key, count] : counts) {
    if (count != 0) detail.Add(key, count);
  }
  return detail;
}

void PrintFindings(const CheckReport& report) {
  if (report.corruptions == 0 && report.leaks == 0 && report.check_errors == 0) {
    PrintText("No errors were found on the image.\n");
    return;
  }
  if (report.corruptions != 0) {
    PrintText("\n{} errors were found on the image.\n", report.corruptions);
    PrintText("Data may be corrupted, or further writes to the image may corrupt it.\n");
  }
  if (report.leaks != 0) {
    PrintText("\n{} leaked clusters were found on the image.\n", report.leaks);
    PrintText("This means waste of disk space, but no harm to data.\n");
  }
  if (report.check_errors != 0) {
    PrintText("\n{} internal errors have occurred during the check.\n", report.check_errors);
  }
}

void PrintFigures(const CheckReport& report) {
  if (report.corruptions_fixed != 0 || report.leaks_fixed != 0) {
    PrintText("The following inconsistencies were found and repaired:\n\n");
    PrintText("    {} leaked clusters\n    {} corruptions\n\n", report.leaks_fixed, report.corruptions_fixed);
    PrintText("Double checking the fixed image now...\n");
  }
  PrintFindings(report);
  const auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) * 100 / static_cast<double>(whole);
  };
  if (report.total_clusters != 0 && report.allocated_clusters != 0) {
    PrintText("{}/{} = {:.2f}% allocated, {:.2f}% fragmented, {:.2f}% compressed clusters\n", report.allocated_clusters,
              report.total_clusters, percent(report.allocated_clusters, report.total_clusters),
              percent(report.fragmented_clusters, report.allocated_clusters),
              percent(report.compressed_clusters, report.allocated_clusters));
  }
  if (report.image_end_offset != 0) PrintText("Image end offset: {}\n", report.image_end_offset);
}

int ExitCodeOf(const CheckReport& report) {
  if (report.check_errors != 0) return kFailed;
  if (report.corruptions != 0) return kCorrupt;
  return report.leaks != 0 ? kLeaks : 0;
}

}  // namespace

int RunCheck(const Invocation& call) {
  ArgumentParser parser(call, "f:r:T:qU", kOptions);
  CheckArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(kFailed);
  const auto source = ParseImageArgument(arguments.image);
  if (!source.ok()) {
    ComplainOpen(call.persona, arguments.image.text, source.error());
    return kFailed;
  }
  const auto checked = Check(call.persona, source.value(), arguments.repair);
  if (!checked.ok()) {
    ComplainOpen(call.persona, arguments.image.text, checked.error());
    return kFailed;
  }
  if (!checked.value().report) {
    Complain(call.persona, "This image format does not support checks");
    return kNoSuchCheck;
  }
  const CheckReport& report = *checked.value().report;
  if (!arguments.quiet && arguments.output == OutputFormat::kJson) {
    PrintText("{}\n", ToJson(ReportDetail(call.persona, arguments, checked.value())));
  } else if (!arguments.quiet) {
    PrintFigures(report);
  }
  return ExitCodeOf(report);
}

}  // namespace platter::cli
