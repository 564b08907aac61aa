// platter audit: are the images of a store what was recorded of them?
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "convert/hash/audit.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/audit_plan.h"
#include "tools/platter/audit_state.h"
#include "tools/platter/digest_list.h"
#include "tools/platter/human_size.h"

#include "tools/platter/interrupt.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/progress.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

enum ExitCode : int { kInOrder = 0, kCannot = 1, kNotInOrder = 2, kInterrupted = 3 };
enum AuditOption : int { kRate = 1000, kState, kResume, kStrict };

constexpr option kOptions[] = {
    {"digest", required_argument, nullptr, kDigest},
    {"directory", required_argument, nullptr, 'C'},
    {"rate", required_argument, nullptr, kRate},
    {"state", required_argument, nullptr, kState},
    {"resume", no_argument, nullptr, kResume},
    {"strict", no_argument, nullptr, kStrict},
    {"output", required_argument, nullptr, kOutput},
    {"verbose", no_argument, nullptr, 'v'},
    {"quiet", no_argument, nullptr, 'q'},
};

constexpr unsigned kMostReaders = 64;

struct AuditArguments {
  std::vector<DigestAlgorithm> algorithms;
  std::string folder;
  std::string state;
  std::uint64_t rate = 0;
  unsigned readers = 0;
  bool resume = false;
  bool strict = false;
  bool progress = false;
  bool quiet = false;
  bool verbose = false;
  OutputFormat output = OutputFormat::kHuman;
  std::vector<std::string> operands;
};

bool TakeReaders(const Persona& persona, std::string_view text, AuditArguments& arguments) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), arguments.readers);
  const bool number = failure == std::errc() && end == text.data() + text.size();
  if (number && arguments.readers >= 1 && arguments.readers <= kMostReaders) return true;
  Complain(persona, fmt::format("Invalid number of files at once '{}': it is from 1 to {}", text, kMostReaders));
  return false;
}

bool TakeRate(const Persona& persona, std::string_view text, AuditArguments& arguments) {
  const auto rate = ParseSizeArgument(persona, "rate limit", text);
  arguments.rate = rate.value_or(0);
  return rate.has_value();
}

// One option. False after a message.
bool Take(const Persona& persona, int code, std::string_view value, AuditArguments& arguments) {
  switch (code) {
    case kDigest:
      return TakeDigestNames(persona, value, arguments.algorithms);
    case kRate:
      return TakeRate(persona, value, arguments);
    case 'm':
      return TakeReaders(persona, value, arguments);
    case kOutput: {
      const auto form = ParseOutputFormat(persona, value);
      arguments.output = form.value_or(OutputFormat::kHuman);
      return form.has_value();
    }
    default:
      if (code == 'C') arguments.folder = value;
      if (code == kState) arguments.state = value;
      if (code == kResume) arguments.resume = true;
      if (code == kStrict) arguments.strict = true;
      if (code == 'p') arguments.progress = true;
      if (code == 'q') arguments.quiet = true;
      if (code == 'v') arguments.verbose = true;
      return true;
  }
}

// What is wrong with the combination of options; "" when nothing is.
std::string_view Contradiction(const AuditArguments& arguments) {
  if (arguments.operands.empty()) return "Expecting a folder or a digest list";
  if (arguments.algorithms.size() > 1) return "--digest takes one digest: the lines say which they have";
  if (arguments.resume && arguments.state.empty()) return "--resume goes with --state";
  if (arguments.quiet && arguments.verbose) return "-q and -v are mutually exclusive";
  return "";
}

// False when the call is over, with parser.exit_code() or else 1.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, AuditArguments& arguments) {
  while (const auto code = parser.Next()) {
    if (!Take(call.persona, *code, parser.value(), arguments)) return false;
  }
  if (parser.exit_code()) return false;
  arguments.operands = parser.operands();
  const std::string_view wrong = Contradiction(arguments);
  if (wrong.empty()) return true;
  ComplainUsage(call.persona, wrong);
  return false;
}

std::string_view NameOf(AuditFinding::Verdict verdict) noexcept {
  switch (verdict) {
    case AuditFinding::Verdict::kOk:
      return "ok";
    case AuditFinding::Verdict::kDiffers:
      return "failed";
    case AuditFinding::Verdict::kMissing:
      return "missing";
    case AuditFinding::Verdict::kUnreadable:
      return "unreadable";
    case AuditFinding::Verdict::kChanged:
      return "changed";
  }
  return "";
}

std::string_view ShoutOf(AuditFinding::Verdict verdict) noexcept {
  switch (verdict) {
    case AuditFinding::Verdict::kOk:
      return "OK";
    case AuditFinding::Verdict::kDiffers:
      return "FAILED";
    case AuditFinding::Verdict::kMissing:
      return "MISSING";
    case AuditFinding::Verdict::kUnreadable:
      return "UNREADABLE";
    case AuditFinding::Verdict::kChanged:
      return "CHANGED while it was read";
  }
  return "";
}

constexpr std::size_t kVerdicts = 5;

// Takes the findings as they come, and keeps what is said at the end.
class Report {
 public:
  explicit Report(const AuditArguments& arguments) : arguments_(arguments) {}

  void Add(const AuditedFile& file, const AuditFinding& finding) {
    const bool ok = finding.verdict == AuditFinding::Verdict::kOk;
    ++counts_[static_cast<std::size_t>(finding.verdict)];
    bytes_ += finding.stamp.size;
    if (ok && !arguments_.verbose) return;
    if (arguments_.output == OutputFormat::kJson) {
      findings_.push_back(Describe(file, finding));
    } else {
      Print(file, finding);
    }
  }
  void AddKnown() { ++known_; }

  std::size_t count(AuditFinding::Verdict verdict) const noexcept { return counts_[static_cast<std::size_t>(verdict)]; }
  bool in_order() const noexcept {
    return count(AuditFinding::Verdict::kDiffers) + count(AuditFinding::Verdict::kMissing) +
               count(AuditFinding::Verdict::kUnreadable) + count(AuditFinding::Verdict::kChanged) ==
           0;
  }

  void Finish(const AuditPlan& plan, bool interrupted) {
    if (arguments_.output == OutputFormat::kJson) {
      PrintJson(plan, interrupted);
    } else if (!arguments_.quiet || !in_order() || interrupted) {
      PrintSummary(plan, interrupted);
    }
  }

 private:
  static Detail Describe(const AuditedFile& file, const AuditFinding& finding) {
    Detail entry;
    entry.Add("filename", file.path).Add("result", NameOf(finding.verdict));
    Detail::List digests;
    for (std::size_t i = 0; i < file.recorded.size(); ++i) {
      Detail digest;
      digest.Add("digest", TraitsOf(file.recorded[i].algorithm).name).Add("recorded", file.recorded[i].hex);
      if (i < finding.digests.size()) digest.Add("found", finding.digests[i].Hex());
      digests.push_back(std::move(digest));
    }
    entry.Add("digests", std::move(digests));
    if (finding.error) entry.Add("error", ReasonOf(*finding.error));
    return entry;
  }

  void Print(const AuditedFile& file, const AuditFinding& finding) const {
    // On a terminal the progress bar stands on this line.
    if (arguments_.progress && isatty(STDOUT_FILENO) == 1) PrintText("\r\x1b[K");
    PrintText("{}: {}", ListedName(file.path), ShoutOf(finding.verdict));
    for (std::size_t i = 0; i < finding.digests.size(); ++i) {
      const std::string found = finding.digests[i].Hex();
      const auto& recorded = file.recorded[i];
      if (found == recorded.hex) continue;
      PrintText(" ({} is {}, recorded as {})", TraitsOf(recorded.algorithm).name, found, recorded.hex);
    }
    if (finding.error) PrintText(" ({})", ReasonOf(*finding.error));
    PrintText("\n");
    std::fflush(stdout);
  }

  void PrintSummary(const AuditPlan& plan, bool interrupted) const {
    std::string said;
    const auto add = [&](std::size_t count, std::string_view what) {
      if (count != 0) said += fmt::format(", {} {}", count, what);
    };
    using enum AuditFinding::Verdict;
    add(known_, "verified before");
    add(count(kDiffers), "failed");
    add(count(kMissing), "missing");
    add(count(kUnreadable), "unreadable");
    add(count(kChanged), "changed while read");
    add(plan.unlisted.size(), "in no list");
    PrintText("{}{} {} in {} {}: {} as recorded ({}){}\n", interrupted ? "interrupted: " : "", plan.files.size(),
              plan.files.size() == 1 ? "file" : "files", plan.lists, plan.lists == 1 ? "list" : "lists", count(kOk),
              HumanSize(bytes_), said);
  }

  void PrintJson(const AuditPlan& plan, bool interrupted) {
    using enum AuditFinding::Verdict;
    Detail report;
    report.Add("result", interrupted ? "interrupted" : in_order() ? "ok" : "failed");
    report.Add("files", std::uint64_t{plan.files.size()}).Add("lists", std::uint64_t{plan.lists});
    for (const auto verdict : {kOk, kDiffers, kMissing, kUnreadable, kChanged}) {
      report.Add(std::string(NameOf(verdict)), std::uint64_t{count(verdict)});
    }
    report.Add("verified-before", std::uint64_t{known_}).Add("unlisted", std::uint64_t{plan.unlisted.size()});
    report.Add("improper-lines", std::uint64_t{plan.wrong_lines}).Add("bytes", bytes_);
    Detail::List unlisted;
    for (const std::string& file : plan.unlisted) unlisted.emplace_back(file);
    if (arguments_.verbose || arguments_.strict) report.Add("unlisted-files", std::move(unlisted));
    report.Add("findings", std::move(findings_));
    PrintText("{}\n", ToJson(report));
  }

  const AuditArguments& arguments_;
  std::size_t counts_[kVerdicts] = {};
  std::size_t known_ = 0;
  std::uint64_t bytes_ = 0;
  Detail::List findings_;
};

// The files that are left to verify: those that the state does not know.
std::vector<AuditedFile> Remaining(const AuditPlan& plan, const AuditState* state, Report& report) {
  std::vector<AuditedFile> files;
  for (const AuditedFile& file : plan.files) {
    if (state != nullptr && state->Knows(file)) {
      report.AddKnown();
    } else {
      files.push_back(file);
    }
  }
  return files;
}

std::uint64_t TotalSize(const std::vector<AuditedFile>& files) {
  std::uint64_t total = 0;
  for (const AuditedFile& file : files) {
    if (const auto stamp = StampOf(file.path)) total += stamp->size;
  }
  return total;
}

// Verifies what is left. kCancelled, and kIo as AuditState::Add.
Result<> Verify(const AuditArguments& arguments, const std::vector<AuditedFile>& files, AuditState* state,
                Report& report) {
  Progress progress(arguments.progress, false, arguments.progress ? TotalSize(files) : 0, stderr);
  AuditOptions options;
  options.readers = arguments.readers;
  options.rate = arguments.rate;
  options.cancel = &CatchInterrupts();
  options.progress = [&progress](std::uint64_t done) { progress.Update(done); };
  Result<> kept = Done{};
  auto audited = Audit(files, options, [&](std::size_t index, const AuditFinding& finding) {
    report.Add(files[index], finding);
    if (state == nullptr || finding.verdict != AuditFinding::Verdict::kOk || !kept.ok()) return;
    kept = state->Add(files[index], finding.stamp);
  });
  progress.Finish(audited.ok());
  PLATTER_CHECK(std::move(kept));
  return audited;
}

void PrintUnlisted(const AuditArguments& arguments, const AuditPlan& plan) {
  if (arguments.output == OutputFormat::kJson || (!arguments.verbose && !arguments.strict)) return;
  for (const std::string& file : plan.unlisted) PrintText("{}: in no list\n", ListedName(file));
}

int RunPlan(const Persona& persona, const AuditArguments& arguments, const AuditPlan& plan) {
  std::unique_ptr<AuditState> state;
  if (!arguments.state.empty()) {
    auto opened = AuditState::Open(arguments.state, arguments.resume);
    if (!opened.ok()) {
      Complain(persona, ReasonOf(opened.error()));
      return kCannot;
    }
    state = std::move(opened).value();
  }
  Report report(arguments);
  auto verified = Verify(arguments, Remaining(plan, state.get(), report), state.get(), report);
  const bool interrupted = !verified.ok() && verified.error().kind() == ErrorKind::kCancelled;
  if (!interrupted) PrintUnlisted(arguments, plan);
  report.Finish(plan, interrupted);
  if (interrupted) return kInterrupted;
  if (verified.ok() && state) verified = state->End();
  if (!verified.ok()) {
    Complain(persona, ReasonOf(verified.error()));
    return kCannot;
  }
  const bool strictly = !arguments.strict || (plan.wrong_lines == 0 && plan.unlisted.empty());
  return report.in_order() && plan.unreadable == 0 && strictly ? kInOrder : kNotInOrder;
}

}  // namespace

int RunAudit(const Invocation& call) {
  ArgumentParser parser(call, "C:m:pqv", kOptions);
  AuditArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(kCannot);
  AuditRequest request;
  request.operands = arguments.operands;
  request.folder = arguments.folder;
  request.state = arguments.state;
  request.each_line = arguments.verbose;
  if (!arguments.algorithms.empty()) request.algorithm = arguments.algorithms.front();
  const AuditPlan plan = PlanAudit(request, [&](std::string_view text) { Complain(call.persona, text); });
  if (plan.lists == 0) return kCannot;
  return RunPlan(call.persona, arguments, plan);
}

}  // namespace platter::cli
