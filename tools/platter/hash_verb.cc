// platter hash: digests of files, of guest disks whatever their format, and whether they are what a list says.
#include <fmt/format.h>

#include <bit>
#include <fstream>
#include <iostream>
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

namespace platter::cli {
namespace {

enum HashOption : int { kBlockForm = 1000, kGuestForm, kFileForm, kBlockSize, kCheckList };
constexpr option kOptions[] = {
    {"digest", required_argument, nullptr, kDigest},   {"disk", required_argument, nullptr, kDisk},
    {"block", no_argument, nullptr, kBlockForm},       {"guest", no_argument, nullptr, kGuestForm},
    {"file", no_argument, nullptr, kFileForm},         {"block-size", required_argument, nullptr, kBlockSize},
    {"check", required_argument, nullptr, kCheckList}, {"output", required_argument, nullptr, kOutput},
    {"image-opts", no_argument, nullptr, kImageOpts},  {"force-share", no_argument, nullptr, 'U'},
};

struct HashArguments {
  HashRules rules;
  std::vector<DigestAlgorithm> algorithms;  // empty: not said
  std::optional<HashForm> form;
  std::optional<std::uint64_t> block_size;
  std::optional<std::string> list;
  OutputFormat output = OutputFormat::kHuman;
  bool quiet = false;
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

bool TakeBlockSize(const Persona& persona, std::string_view text, HashArguments& arguments) {
  arguments.block_size = ParseSizeArgument(persona, "block size", text);
  if (!arguments.block_size) return false;
  const std::uint64_t size = *arguments.block_size;
  if (std::has_single_bit(size) && size >= kSmallestHashBlock && size <= kLargestHashBlock) return true;
  Complain(persona, fmt::format("Invalid block size '{}': it is a power of two from {} to {}", text, kSmallestHashBlock,
                                kLargestHashBlock));
  return false;
}

// One option. False after a message.
bool Take(const Persona& persona, int code, std::string_view value, HashArguments& arguments) {
  switch (code) {
    case kDigest:
      return TakeDigestNames(persona, value, arguments.algorithms);
    case kBlockForm:
      return TakeForm(persona, HashForm::kBlock, arguments);
    case kGuestForm:
      return TakeForm(persona, HashForm::kGuest, arguments);
    case kFileForm:
      return TakeForm(persona, HashForm::kFile, arguments);
    case kBlockSize:
      return TakeBlockSize(persona, value, arguments);
    case kCheckList:
      arguments.list = value;
      return true;
    case kOutput: {
      const auto form = ParseOutputFormat(persona, value);
      arguments.output = form.value_or(OutputFormat::kHuman);
      return form.has_value();
    }
    default:
      if (code == 'f') arguments.rules.format = value;
      if (code == kDisk) arguments.rules.disk = value;
      if (code == 'p') arguments.rules.progress = true;
      if (code == 'q') arguments.quiet = true;
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
  if (rules.image_opts && of_file) return "--image-opts goes with --guest or --block";
  if (rules.force_share && of_file) return "-U goes with --guest or --block: --file takes no locks";
  if (rules.image_opts && !rules.format.empty()) return "--image-opts and --format are mutually exclusive";
  if (!arguments.list && arguments.quiet) return "-q goes with --check";
  if (arguments.list && arguments.algorithms.size() > 1)
    return "--check takes one digest: the lines say which they have";
  if (arguments.list && !arguments.files.empty()) return "--check takes the files' names from the list";
  if (!arguments.list && arguments.files.empty()) return "Expecting at least one image file name";
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
  const std::string_view wrong = Contradiction(arguments);
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

void PrintLines(const HashJob& job, const HashedFile& hashed) {
  for (std::size_t i = 0; i < job.algorithms.size(); ++i) {
    const std::string hex = hashed.digests[i].Hex();
    fmt::print("{}\n", job.algorithms.size() == 1 ? PlainDigestLine(hex, job.name)
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
      PrintLines(job, hashed.value());
    }
    return true;
  });
  if (arguments.output == OutputFormat::kJson) fmt::print("{}\n", ToJson(Detail(std::move(entries))));
  return exit_code;
}

// What a list wants, its lines that make sense.
struct Wanted {
  std::vector<HashJob> jobs;
  std::vector<std::string> digests;  // hexadecimal, one for each job
  std::size_t wrong_lines = 0;
};

// False when the line makes no sense.
bool AddLine(std::string_view line, const HashArguments& arguments, Wanted& wanted) {
  auto parsed = ParseDigestLine(line);
  if (!parsed) return false;
  auto algorithm = parsed->algorithm;
  if (!arguments.algorithms.empty()) {
    if (algorithm && *algorithm != arguments.algorithms.front()) return false;
    algorithm = arguments.algorithms.front();
  }
  if (!algorithm) algorithm = DigestOfLength(parsed->hex.size());
  if (!algorithm || 2 * TraitsOf(*algorithm).size != parsed->hex.size()) return false;
  wanted.jobs.push_back({std::move(parsed->name), {*algorithm}});
  wanted.digests.push_back(std::move(parsed->hex));
  return true;
}

// Empty after a message.
std::optional<Wanted> ReadList(const Persona& persona, const HashArguments& arguments) {
  Wanted wanted;
  std::ifstream file;
  const bool from_file = *arguments.list != "-";
  if (from_file) file.open(*arguments.list);
  std::istream& in = from_file ? file : std::cin;
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with('#') && !AddLine(line, arguments, wanted)) ++wanted.wrong_lines;
  }
  if (!in.eof()) {
    Complain(persona, fmt::format("the list '{}' cannot be read", *arguments.list));
    return std::nullopt;
  }
  if (!wanted.jobs.empty()) return wanted;
  Complain(persona, fmt::format("{}: no properly formatted digest lines found", *arguments.list));
  return std::nullopt;
}

struct Tally {
  std::size_t checked = 0;
  std::size_t failed = 0;
  std::size_t unreadable = 0;
  bool cancelled = false;
};

void Warn(const Persona& persona, std::size_t count, std::string_view one, std::string_view many) {
  if (count != 0) Complain(persona, fmt::format("WARNING: {} {}", count, count == 1 ? one : many));
}

// "ok", "failed" or "unreadable".
std::string_view Judge(const Persona& persona, const HashJob& job, const Result<HashedFile>& hashed,
                       std::string_view digest, Tally& tally) {
  if (!hashed.ok()) {
    Complain(persona, fmt::format("Could not hash '{}': {}", job.name, ReasonOf(hashed.error())));
    ++tally.unreadable;
    return "unreadable";
  }
  if (hashed.value().digests.front().Hex() == digest) return "ok";
  ++tally.failed;
  return "failed";
}

void PrintVerdict(const HashJob& job, std::string_view verdict, bool quiet) {
  if (verdict == "ok" && quiet) return;
  const std::string_view said = verdict == "ok" ? "OK" : verdict == "failed" ? "FAILED" : "FAILED open or read";
  fmt::print("{}: {}\n", ListedName(job.name), said);
  std::fflush(stdout);
}

int CheckList(const Persona& persona, const HashArguments& arguments) {
  const auto wanted = ReadList(persona, arguments);
  if (!wanted) return 1;
  Tally tally;
  Detail::List entries;
  HashFiles(wanted->jobs, arguments.rules, [&](const HashJob& job, const Result<HashedFile>& hashed) {
    tally.cancelled = !hashed.ok() && IsCancelled(hashed.error());
    if (tally.cancelled) return false;
    const std::string_view verdict = Judge(persona, job, hashed, wanted->digests[tally.checked++], tally);
    if (arguments.output == OutputFormat::kHuman) {
      PrintVerdict(job, verdict, arguments.quiet);
    } else {
      Detail entry;
      entry.Add("filename", job.name).Add("digest", TraitsOf(job.algorithms.front()).name).Add("result", verdict);
      entries.push_back(std::move(entry));
    }
    return true;
  });
  if (arguments.output == OutputFormat::kJson) fmt::print("{}\n", ToJson(Detail(std::move(entries))));
  if (tally.cancelled) Complain(persona, "cancelled");
  Warn(persona, wanted->wrong_lines, "line is improperly formatted", "lines are improperly formatted");
  Warn(persona, tally.unreadable, "listed file could not be read", "listed files could not be read");
  Warn(persona, tally.failed, "computed digest did NOT match", "computed digests did NOT match");
  return tally.cancelled || tally.unreadable != 0 || tally.failed != 0 ? 1 : 0;
}

}  // namespace

int RunHash(const Invocation& call) {
  ArgumentParser parser(call, "f:pqU", kOptions);
  HashArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  if (arguments.list) return CheckList(call.persona, arguments);
  if (arguments.algorithms.empty()) arguments.algorithms = {DigestAlgorithm::kSha256};
  return PrintDigests(call.persona, arguments);
}

}  // namespace platter::cli
