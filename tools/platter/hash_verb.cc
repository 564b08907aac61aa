// platter hash: digests of files, of guest disks whatever their format, and whether they are what a list says.
#include <fmt/format.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "convert/hash/block_hash.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/digest_list.h"
#include "tools/platter/hash_jobs.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

enum HashOption : int {
  kBlockForm = 1000,
  kFileForm,
  kCheckList,
  kTag,
  kStatus,
  kStrict,
  kIgnoreMissing,
};
constexpr option kOptions[] = {
    {"digest", required_argument, nullptr, kDigest},
    {"disk", required_argument, nullptr, kDisk},
    {"block", no_argument, nullptr, kBlockForm},
    {"guest", no_argument, nullptr, kGuest},
    {"file", no_argument, nullptr, kFileForm},
    {"block-size", required_argument, nullptr, kBlockSize},
    {"check", required_argument, nullptr, kCheckList},
    {"output", required_argument, nullptr, kOutput},
    {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
    {"tag", no_argument, nullptr, kTag},
    {"quiet", no_argument, nullptr, 'q'},
    {"status", no_argument, nullptr, kStatus},
    {"warn", no_argument, nullptr, 'w'},
    {"strict", no_argument, nullptr, kStrict},
    {"ignore-missing", no_argument, nullptr, kIgnoreMissing},
};

// How much --check says. As with sha256sum the last of the options counts.
enum class Loudness : std::uint8_t { kSilent, kQuiet, kNormal, kWarning };

struct CheckRules {
  Loudness loudness = Loudness::kNormal;
  bool strict = false;          // a line that makes no sense is a failure
  bool ignore_missing = false;  // files that are not there are passed over
};

struct HashArguments {
  HashRules rules;
  std::vector<DigestAlgorithm> algorithms;  // empty: not said
  std::optional<HashForm> form;
  std::optional<std::uint64_t> block_size;
  std::vector<std::string> lists;  // --check
  OutputFormat output = OutputFormat::kHuman;
  bool tag = false;
  CheckRules check;
  std::string_view check_option;  // one that goes with --check alone; "" for none
  std::vector<std::string> files;
};

bool TakeForm(const Persona& persona, HashForm form, HashArguments& arguments) {
  if (arguments.form && *arguments.form != form) {
    ComplainUsage(persona, "--file, --guest and --block are mutually exclusive");
    return false;
  }
  arguments.form = form;
  return true;
}

// The options that go with --check.
bool TakeCheckOption(int code, HashArguments& arguments) {
  CheckRules& check = arguments.check;
  switch (code) {
    case 'q':
      check.loudness = Loudness::kQuiet;
      arguments.check_option = "-q";
      return true;
    case 'w':
      check.loudness = Loudness::kWarning;
      arguments.check_option = "--warn";
      return true;
    case kStatus:
      check.loudness = Loudness::kSilent;
      arguments.check_option = "--status";
      return true;
    case kStrict:
      check.strict = true;
      arguments.check_option = "--strict";
      return true;
    case kIgnoreMissing:
      check.ignore_missing = true;
      arguments.check_option = "--ignore-missing";
      return true;
    default:
      return false;
  }
}

// One option. False after a message.
bool Take(const Persona& persona, int code, std::string_view value, HashArguments& arguments) {
  switch (code) {
    case kDigest:
      return TakeDigestNames(persona, value, arguments.algorithms);
    case kBlockForm:
      return TakeForm(persona, HashForm::kBlock, arguments);
    case kGuest:
      return TakeForm(persona, HashForm::kGuest, arguments);
    case kFileForm:
      return TakeForm(persona, HashForm::kFile, arguments);
    case kBlockSize:
      arguments.block_size = ParseHashBlockSize(persona, value);
      return arguments.block_size.has_value();
    case kCheckList:
      arguments.lists.emplace_back(value);
      return true;
    case kOutput: {
      const auto form = ParseOutputFormat(persona, value);
      arguments.output = form.value_or(OutputFormat::kHuman);
      return form.has_value();
    }
    default:
      if (TakeCheckOption(code, arguments)) return true;
      if (code == kTag) arguments.tag = true;
      if (code == 'f') arguments.rules.format = value;
      if (code == kDisk) arguments.rules.disk = value;
      if (code == 'p') arguments.rules.progress = true;
      if (code == 'U') arguments.rules.force_share = true;
      if (code == kImageOpts) arguments.rules.image_opts = true;
      return true;
  }
}

// What is wrong with the combination of options; "" when nothing is.
std::string_view Contradiction(const HashArguments& arguments) {
  const HashRules& rules = arguments.rules;
  const bool of_file = rules.form == HashForm::kFile;
  if (arguments.block_size && rules.form != HashForm::kBlock) return "--block-size goes with --block";
  if (!rules.format.empty() && of_file) return "-f goes with --guest or --block";
  if (rules.disk && of_file) return "--disk goes with --guest or --block";
  if (rules.image_opts && of_file) return "--image-opts goes with --guest or --block";
  if (rules.force_share && of_file) return "-U goes with --guest or --block: --file takes no locks";
  if (rules.image_opts && !rules.format.empty()) return "--image-opts and --format are mutually exclusive";
  const bool checks = !arguments.lists.empty();
  if (checks && arguments.algorithms.size() > 1) return "--check takes one digest: the lines say which they have";
  if (checks && !arguments.files.empty()) return "--check takes the files' names from the list";
  if (checks && arguments.tag) return "--tag goes without --check";
  if (!checks && arguments.files.empty()) return "Expecting at least one image file name";
  return "";
}

// False when the call is over, with parser.exit_code() or else 1.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, HashArguments& arguments) {
  while (const auto code = parser.Next()) {
    if (!Take(call.persona, *code, parser.value(), arguments)) return false;
  }
  if (parser.exit_code()) return false;
  arguments.files = parser.operands();
  arguments.rules.form = arguments.form.value_or(HashForm::kFile);
  std::string wrong(Contradiction(arguments));
  if (wrong.empty() && arguments.lists.empty() && !arguments.check_option.empty()) {
    wrong = fmt::format("{} goes with --check", arguments.check_option);
  }
  if (!wrong.empty()) {
    ComplainUsage(call.persona, wrong);
    return false;
  }
  arguments.rules.block_size = arguments.block_size.value_or(kDefaultHashBlock);
  arguments.rules.cancel = &CatchInterrupts();
  return true;
}

std::string_view FormName(HashForm form) noexcept {
  switch (form) {
    case HashForm::kFile:
      return "file";
    case HashForm::kGuest:
      return "guest";
    case HashForm::kBlock:
      return "block";
  }
  return "";
}

Detail Describe(const HashJob& job, const HashedFile& hashed, const HashRules& rules) {
  Detail digests;
  for (std::size_t i = 0; i < job.algorithms.size(); ++i) {
    digests.Add(std::string(TraitsOf(job.algorithms[i]).name), hashed.digests[i].Hex());
  }
  Detail entry;
  entry.Add("filename", job.name).Add("form", FormName(rules.form)).Add("size", hashed.size);
  if (rules.form == HashForm::kBlock) entry.Add("block-size", rules.block_size);
  entry.Add("digests", std::move(digests));
  return entry;
}

void PrintLines(const HashJob& job, const HashedFile& hashed, bool tag) {
  for (std::size_t i = 0; i < job.algorithms.size(); ++i) {
    const std::string hex = hashed.digests[i].Hex();
    PrintText("{}\n", job.algorithms.size() == 1 && !tag ? PlainDigestLine(hex, job.name)
                                                         : TaggedDigestLine(job.algorithms[i], hex, job.name));
  }
  std::fflush(stdout);
}

bool IsCancelled(const Error& error) { return error.kind() == ErrorKind::kCancelled; }

int PrintDigests(const Persona& persona, const HashArguments& arguments) {
  std::vector<HashJob> jobs;
  for (const std::string& file : arguments.files) jobs.push_back({file, arguments.algorithms});
  Detail::List entries;
  int exit_code = 0;
  HashFiles(jobs, arguments.rules, [&](const HashJob& job, const Result<HashedFile>& hashed) {
    if (!hashed.ok()) {
      exit_code = 1;
      if (IsCancelled(hashed.error())) {
        Complain(persona, ReasonOf(hashed.error()));
        return false;
      }
      Complain(persona, fmt::format("Could not hash '{}': {}", job.name, ReasonOf(hashed.error())));
    } else if (arguments.output == OutputFormat::kJson) {
      entries.push_back(Describe(job, hashed.value(), arguments.rules));
    } else {
      PrintLines(job, hashed.value(), arguments.tag);
    }
    return true;
  });
  if (arguments.output == OutputFormat::kJson) PrintText("{}\n", ToJson(Detail(std::move(entries))));
  return exit_code;
}

struct Tally {
  std::size_t checked = 0;
  std::size_t in_order = 0;
  std::size_t failed = 0;
  std::size_t unreadable = 0;
  bool cancelled = false;
};

bool IsMissing(const Error& error) { return error.os_error() == ENOENT; }

// "ok", "failed", "unreadable", or "missing" where that is no failure.
std::string_view Judge(const Persona& persona, const HashJob& job, const Result<HashedFile>& hashed,
                       std::string_view digest, const CheckRules& rules, Tally& tally) {
  if (!hashed.ok()) {
    if (rules.ignore_missing && IsMissing(hashed.error())) return "missing";
    Complain(persona, fmt::format("Could not hash '{}': {}", job.name, ReasonOf(hashed.error())));
    ++tally.unreadable;
    return "unreadable";
  }
  const bool same = hashed.value().digests.front().Hex() == digest;
  ++(same ? tally.in_order : tally.failed);
  return same ? "ok" : "failed";
}

void PrintVerdict(const HashJob& job, std::string_view verdict, Loudness loudness) {
  if (loudness == Loudness::kSilent || verdict == "missing") return;
  if (verdict == "ok" && loudness == Loudness::kQuiet) return;
  const std::string_view said = verdict == "ok" ? "OK" : verdict == "failed" ? "FAILED" : "FAILED open or read";
  // As sha256sum: here only a line end is escaped.
  const bool one_line = job.name.find('\n') == std::string::npos;
  PrintText("{}: {}\n", one_line ? job.name : ListedName(job.name), said);
  std::fflush(stdout);
}

void Warn(const Persona& persona, std::size_t count, std::string_view one, std::string_view many) {
  if (count != 0) Complain(persona, fmt::format("WARNING: {} {}", count, count == 1 ? one : many));
}

// What there is to say once a list is done; true when it is in order.
bool Conclude(const Persona& persona, const std::string& list, const CheckRules& rules, const Tally& tally,
              std::size_t wrong_lines) {
  const bool nothing = tally.in_order == 0 && tally.failed == 0 && tally.unreadable == 0;
  if (tally.cancelled) Complain(persona, "cancelled");
  if (rules.loudness != Loudness::kSilent) {
    Warn(persona, wrong_lines, "line is improperly formatted", "lines are improperly formatted");
    Warn(persona, tally.unreadable, "listed file could not be read", "listed files could not be read");
    Warn(persona, tally.failed, "computed digest did NOT match", "computed digests did NOT match");
    if (nothing && !tally.cancelled) Complain(persona, fmt::format("{}: no file was verified", list));
  }
  return !tally.cancelled && !nothing && tally.unreadable == 0 && tally.failed == 0 &&
         (!rules.strict || wrong_lines == 0);
}

// Verifies what one list names, and adds to `entries`. True when all is in order.
bool CheckList(const Persona& persona, const HashArguments& arguments, const std::string& list, Detail::List& entries) {
  std::size_t wrong_lines = 0;
  DigestListRules rules;
  rules.cancel = arguments.rules.cancel;
  if (!arguments.algorithms.empty()) rules.algorithm = arguments.algorithms.front();
  const auto listed = ReadDigestList(list, rules, [&](std::size_t number) {
    ++wrong_lines;
    if (arguments.check.loudness != Loudness::kWarning) return;
    Complain(persona, fmt::format("{}: {}: improperly formatted digest line", list, number));
  });
  if (!listed.ok()) {
    Complain(persona, fmt::format("the list '{}' cannot be read: {}", list, ReasonOf(listed.error())));
    return false;
  }
  if (listed.value().empty()) {
    Complain(persona, fmt::format("{}: no properly formatted digest lines found", list));
    return false;
  }
  std::vector<HashJob> jobs;
  for (const ListedDigest& line : listed.value()) jobs.push_back({line.name, {line.algorithm}});
  Tally tally;
  HashFiles(jobs, arguments.rules, [&](const HashJob& job, const Result<HashedFile>& hashed) {
    tally.cancelled = !hashed.ok() && IsCancelled(hashed.error());
    if (tally.cancelled) return false;
    const std::string& wanted = listed.value()[tally.checked++].hex;
    const std::string_view verdict = Judge(persona, job, hashed, wanted, arguments.check, tally);
    if (arguments.output == OutputFormat::kHuman) {
      PrintVerdict(job, verdict, arguments.check.loudness);
    } else {
      Detail entry;
      entry.Add("filename", job.name).Add("digest", TraitsOf(job.algorithms.front()).name).Add("result", verdict);
      entries.push_back(std::move(entry));
    }
    return true;
  });
  return Conclude(persona, list, arguments.check, tally, wrong_lines);
}

int CheckLists(const Persona& persona, const HashArguments& arguments) {
  Detail::List entries;
  bool in_order = true;
  for (const std::string& list : arguments.lists) {
    in_order = CheckList(persona, arguments, list, entries) && in_order;
    if (arguments.rules.cancel->load()) break;
  }
  if (arguments.output == OutputFormat::kJson) PrintText("{}\n", ToJson(Detail(std::move(entries))));
  return in_order ? 0 : 1;
}

}  // namespace

int RunHash(const Invocation& call) {
  ArgumentParser parser(call, "f:pqwU", kOptions);
  HashArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  if (!arguments.lists.empty()) return CheckLists(call.persona, arguments);
  if (arguments.algorithms.empty()) arguments.algorithms = {DigestAlgorithm::kSha256};
  return PrintDigests(call.persona, arguments);
}

}  // namespace platter::cli
