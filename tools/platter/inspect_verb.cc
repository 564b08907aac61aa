// platter inspect: is an image from a stranger what it says it is, and safe to take?
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/core/json.h"
#include "formats/inspect/inspector.h"
#include "formats/inspect/report_json.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/human_size.h"
#include "tools/platter/message.h"
#include "tools/platter/volume_source.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

constexpr int kUndecided = 2;
constexpr std::size_t kPiece = std::size_t{1} << 20;

// Options that are keys of a policy, too: with dashes here, and with underscores there.
enum InspectOption : int { kPolicy = 1000, kDepth, kKey, kFirstSwitch = kKey + 5 };
constexpr option kOptions[] = {
    {"policy", required_argument, nullptr, kPolicy},
    {"output", required_argument, nullptr, kOutput},
    {"depth", required_argument, nullptr, kDepth},
    {"expect-disk", required_argument, nullptr, kKey},
    {"expect-container", required_argument, nullptr, kKey + 1},
    {"allow-formats", required_argument, nullptr, kKey + 2},
    {"max-virtual-size", required_argument, nullptr, kKey + 3},
    {"max-ratio", required_argument, nullptr, kKey + 4},
    {"allow-references", no_argument, nullptr, kFirstSwitch},
    {"allow-ambiguous", no_argument, nullptr, kKey + 6},
    {"allow-truncated", no_argument, nullptr, kKey + 7},
    {"allow-encrypted", no_argument, nullptr, kKey + 8},
};

struct InspectArguments {
  std::string file;
  OutputFormat output = OutputFormat::kHuman;
  inspect::Depth depth = inspect::Depth::kStreaming;
  inspect::Options options;
};

std::string KeyOf(int code) {
  const auto* found = std::ranges::find(kOptions, code, &option::val);
  std::string key = found->name;
  std::ranges::replace(key, '-', '_');
  return key;
}

Result<> ReadPolicyFile(const std::string& path, inspect::Policy& policy) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Error(ErrorKind::kInvalid, fmt::format("the policy file '{}' cannot be read", path));
  return inspect::ReadPolicy(text.str(), policy);
}

Result<> Take(int code, const std::string& value, InspectArguments& arguments) {
  switch (code) {
    case kPolicy:
      return ReadPolicyFile(value, arguments.options.policy);
    case kDepth:
      if (value != "streaming" && value != "full") {
        return Error(ErrorKind::kInvalid, "--depth takes 'streaming' or 'full'");
      }
      arguments.depth = value == "full" ? inspect::Depth::kFull : inspect::Depth::kStreaming;
      return Done{};
    default:
      return inspect::SetPolicyValue(arguments.options.policy, KeyOf(code), code >= kFirstSwitch ? "yes" : value);
  }
}

// False when the call is over; parser.exit_code() or kUndecided is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, InspectArguments& arguments) {
  std::string output = "human";
  while (const auto code = parser.Next()) {
    if (*code == kOutput) {
      output = parser.value();
      continue;
    }
    const auto taken = Take(*code, std::string(parser.value()), arguments);
    if (taken.ok()) continue;
    ComplainUsage(call.persona, ReasonOf(taken.error()));
    return false;
  }
  if (parser.exit_code() || !TakeOnlyOperand(call, parser, arguments.file)) return false;
  const auto form = ParseOutputFormat(call.persona, output);
  if (form) arguments.output = *form;
  return form.has_value();
}

Result<inspect::Report> InspectStandardInput(inspect::Options options) {
  options.name = "standard input";
  inspect::Inspector inspector(std::move(options));
  std::vector<std::byte> piece(kPiece);
  while (true) {
    const ssize_t got = read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, "reading the standard input");
    if (got == 0) return inspector.Finish();
    inspector.Feed(std::span(piece).first(static_cast<std::size_t>(got)));
  }
}

Result<inspect::Report> Inspect(InspectArguments& arguments) {
  if (arguments.file != "-") {
    const std::shared_ptr<Storage> file = PLATTER_TRY(FileStorage::Open(arguments.file, {.lock = false}));
    arguments.options.name = arguments.file;
    return inspect::InspectFile(file, arguments.options, arguments.depth);
  }
  if (arguments.depth == inspect::Depth::kFull) {
    return Error(ErrorKind::kInvalid, "--depth full needs a file: a stream cannot be looked at twice");
  }
  return InspectStandardInput(arguments.options);
}

std::string SizeText(std::uint64_t bytes) { return fmt::format("{} ({} bytes)", HumanSize(bytes), bytes); }

void Print(const std::string& file, const inspect::Report& report) {
  const auto line = [](std::string_view key, const std::string& value) {
    if (!value.empty()) PrintText("{:<17}{}\n", key, value);
  };
  line("file:", file);
  line("verdict:", std::string(inspect::VerdictName(report.verdict)));
  line("format:",
       report.variant.empty() ? report.format : fmt::format("{} ({})", report.format, PrintableName(report.variant)));
  line("certainty:", std::string(inspect::ConfidenceName(report.confidence)));
  line("container:", report.container);
  line("content:", report.content);
  for (const inspect::DiskReport& disk : report.disks) {
    line("disk:", fmt::format("{} in {}: {}", PrintableName(disk.id), PrintableName(disk.file),
                              disk.format.empty() ? "not looked at" : disk.format));
  }
  if (report.virtual_size) line("virtual size:", SizeText(*report.virtual_size));
  line("file size:", SizeText(report.file_size));
  if (report.expected_length) line("expected length:", "at least " + SizeText(*report.expected_length));
  if (!report.findings.empty()) PrintText("findings:\n");
  for (const Finding& finding : report.findings) {
    PrintText("  {:<8} {}: {}", SeverityName(finding.severity), finding.code, PrintableName(finding.message));
    if (!finding.value.empty() && finding.message.find(finding.value) == std::string::npos) {
      PrintText(" ({})", JsonString(finding.value));
    }
    for (const std::string_view cve : finding.cves) PrintText(" [{}]", cve);
    PrintText("\n");
  }
}

int ExitCodeOf(inspect::Verdict verdict) noexcept {
  switch (verdict) {
    case inspect::Verdict::kAccepted:
      return 0;
    case inspect::Verdict::kRefused:
      return 1;
    case inspect::Verdict::kUndecided:
      return kUndecided;
  }
  return kUndecided;
}

}  // namespace

int RunInspect(const Invocation& call) {
  ArgumentParser parser(call, "", kOptions);
  InspectArguments arguments;
  if (!ParseArguments(call, parser, arguments)) {
    const int code = parser.exit_code().value_or(kUndecided);
    return code == 0 ? 0 : kUndecided;
  }
  const auto report = Inspect(arguments);
  if (!report.ok()) {
    ComplainOpen(call.persona, arguments.file, report.error());
    return kUndecided;
  }
  if (arguments.output == OutputFormat::kJson) {
    PrintText("{}\n", inspect::ToJson(report.value()));
  } else {
    Print(arguments.file, report.value());
  }
  return ExitCodeOf(report.value().verdict);
}

}  // namespace platter::cli
