// platter compare: do two images hold the same guest disk?
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/compare/compare.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/compare_digests.h"
#include "tools/platter/hash_jobs.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/progress.h"
#include "tools/platter/source_watch.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

enum ExitCode : int { kSame = 0, kDiffer = 1, kCannotOpen = 2, kCannotMap = 3, kCannotRead = 4 };

struct CompareArguments {
  std::array<ImageArgument, 2> images;
  std::size_t count = 2;  // of `images`: one with a digest that was recorded
  std::optional<DigestComparison> by_digest;
  bool strict = false;
  bool progress = false;
  bool quiet = false;
  std::optional<std::string> digest;  // --digest
  bool guest = false;
  std::optional<std::string> block_size;
};

constexpr option kOptions[] = {
    {"disk", required_argument, nullptr, kDisk},      {"digest", required_argument, nullptr, kDigest},
    {"guest", no_argument, nullptr, kGuest},          {"block-size", required_argument, nullptr, kBlockSize},
    {"image-opts", no_argument, nullptr, kImageOpts}, {"force-share", no_argument, nullptr, 'U'},
};

void TakeOption(int code, std::string_view value, CompareArguments& arguments, std::string& cache) {
  if (code == 'f') arguments.images[0].format = value;
  if (code == 'F') arguments.images[1].format = value;
  if (code == 'T') cache = value;
  if (code == 'p') arguments.progress = true;
  if (code == 'q') arguments.quiet = true;
  if (code == 's') arguments.strict = true;
  if (code == kDigest) arguments.digest = value;
  if (code == kGuest) arguments.guest = true;
  if (code == kBlockSize) arguments.block_size = value;
  // Of the first image: the second is what it is compared with.
  if (code == kDisk) arguments.images[0].disk = value;
  for (ImageArgument& image : arguments.images) {
    image.force_share = image.force_share || code == 'U';
    image.image_opts = image.image_opts || code == kImageOpts;
  }
}

// What --digest and the options that go with it say. False after a message.
bool TakeDigest(const Persona& persona, CompareArguments& arguments) {
  if (!arguments.digest) {
    if (!arguments.guest && !arguments.block_size) return true;
    ComplainUsage(persona, "--guest and --block-size go with --digest");
    return false;
  }
  if (arguments.strict || (arguments.guest && arguments.block_size)) {
    ComplainUsage(persona, arguments.strict ? "--digest says nothing of allocation: it goes without -s"
                                            : "--block-size goes without --guest");
    return false;
  }
  arguments.by_digest = ParseDigestComparison(persona, *arguments.digest);
  if (!arguments.by_digest) return false;
  if (arguments.block_size) {
    const auto size = ParseHashBlockSize(persona, *arguments.block_size);
    if (!size) return false;
    arguments.by_digest->block_size = *size;
  }
  arguments.by_digest->guest = arguments.guest;
  arguments.by_digest->progress = arguments.progress;
  arguments.by_digest->quiet = arguments.quiet;
  if (!arguments.by_digest->recorded) return true;
  arguments.count = 1;
  if (arguments.images[1].format.empty()) return true;
  ComplainUsage(persona, "-F is the second image's format: beside a digest that was recorded there is none");
  return false;
}

// 0, or after a message the call's exit code; parser.exit_code() goes before it.
int ParseArguments(const Invocation& call, ArgumentParser& parser, CompareArguments& arguments) {
  std::string cache = "writeback";
  while (const auto code = parser.Next()) TakeOption(*code, parser.value(), arguments, cache);
  if (parser.exit_code()) return *parser.exit_code();
  const auto operands = parser.operands();
  if (!TakeDigest(call.persona, arguments)) return kDiffer;
  if (operands.size() != arguments.count) {
    return ComplainUsage(call.persona, arguments.count == 2
                                           ? "Expecting two image file names"
                                           : "Expecting one image file name, beside the digest that was recorded");
  }
  const auto mode = ParseCacheMode(cache);
  if (!mode.ok()) {
    Complain(call.persona, fmt::format("Invalid source cache option: {}", cache));
    return kCannotOpen;
  }
  for (std::size_t i = 0; i < arguments.count; ++i) {
    arguments.images[i].dialect = call.persona.dialect();
    arguments.images[i].containers = true;
    arguments.images[i].text = operands[i];
    arguments.images[i].cache = mode.value();
    if (!arguments.images[i].image_opts || arguments.images[i].format.empty()) continue;
    Complain(call.persona, "--image-opts and --format are mutually exclusive");
    return kCannotOpen;
  }
  return 0;
}

// What was found, in qemu-img's words, and its exit code.
struct Outcome {
  int exit_code;
  std::string said;  // on the standard output, unless quiet
  std::string complained;
};

std::string HostReason(const Error& error) {
  return error.os_error() != 0 ? std::strerror(error.os_error()) : ReasonOf(error);
}

Outcome Describe(const Comparison& comparison, const CompareArguments& arguments) {
  using Verdict = Comparison::Verdict;
  const std::string& name = arguments.images[comparison.side].text;
  switch (comparison.verdict) {
    case Verdict::kIdentical:
      return {kSame, "Images are identical.", ""};
    case Verdict::kContentDiffers:
      return {kDiffer, fmt::format("Content mismatch at offset {}!", comparison.offset), ""};
    case Verdict::kStatusDiffers:
      return {kDiffer, fmt::format("Strict mode: Offset {} block status mismatch!", comparison.offset), ""};
    case Verdict::kSizeDiffers:
      return {kDiffer, "Strict mode: Image size mismatch!", ""};
    case Verdict::kMapFailed:
      return {kCannotMap, "",
              fmt::format("Sector allocation test failed for {}: {}", name, ReasonOf(*comparison.error))};
    case Verdict::kReadFailed:
      return {kCannotRead, "",
              fmt::format("Error while reading offset {} of {}: {}", comparison.offset, name,
                          HostReason(*comparison.error))};
  }
  return {kDiffer, "", ""};
}

int CompareChains(const Persona& persona, const CompareArguments& arguments, const Chain& a, const Chain& b,
                  const SourceWatch& watch) {
  const std::uint64_t total = std::max(a.virtual_size(), b.virtual_size());
  Progress progress(arguments.progress && !arguments.quiet, persona.as_qemu, total);
  CompareOptions options;
  options.strict = arguments.strict;
  options.progress = [&progress](std::uint64_t done, std::uint64_t /*total*/) { progress.Update(done); };
  options.cancel = &CatchInterrupts();
  auto comparison = Compare(a, b, options);
  if (comparison.ok() && !comparison.value().error) {
    if (auto unchanged = watch.Unchanged(); !unchanged.ok()) comparison = std::move(unchanged).error();
  }
  if (!comparison.ok()) {
    progress.Finish(false);
    Complain(persona, ReasonOf(comparison.error()));
    return kCannotRead;
  }
  const Outcome outcome = Describe(comparison.value(), arguments);
  // qemu-img ends its progress line with the result.
  if (!persona.as_qemu) progress.Finish(outcome.exit_code == kSame);
  // qemu-img notices the sizes only when it gets to the end of the shorter image.
  const std::uint64_t shorter = std::min(a.virtual_size(), b.virtual_size());
  const bool reached_the_end = outcome.exit_code == kSame || comparison.value().offset >= shorter;
  if (!arguments.quiet && !arguments.strict && total != shorter && reached_the_end) {
    PrintText("Warning: Image size mismatch!\n");
  }
  if (!outcome.complained.empty()) Complain(persona, outcome.complained);
  if (!arguments.quiet && !outcome.said.empty()) PrintText("{}\n", outcome.said);
  if (persona.as_qemu) progress.Finish(false);
  return outcome.exit_code;
}

}  // namespace

int RunCompare(const Invocation& call) {
  ArgumentParser parser(call, "f:F:T:pqsU", kOptions);
  CompareArguments arguments;
  const int wrong = ParseArguments(call, parser, arguments);
  if (parser.exit_code() || wrong != 0) return parser.exit_code().value_or(wrong);
  std::vector<NamedChain> disks;
  SourceWatch watch;
  for (const ImageArgument& image : std::span(arguments.images).first(arguments.count)) {
    auto opened = OpenWatched(image, watch);
    if (!opened.ok()) {
      ComplainOpen(call.persona, image.text, opened.error());
      return kCannotOpen;
    }
    disks.push_back({image.text, opened.value().chain()});
  }
  if (arguments.by_digest) return CompareDigests(call.persona, *arguments.by_digest, disks, watch);
  return CompareChains(call.persona, arguments, disks[0].chain, disks[1].chain, watch);
}

}  // namespace platter::cli
