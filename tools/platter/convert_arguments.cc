#include "tools/platter/convert_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "tools/platter/digest_list.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"

namespace platter::cli {
namespace {

constexpr std::uint64_t kLargestSparse = std::uint64_t{16} << 20;
constexpr std::uint64_t kSectorSize = 512;
constexpr unsigned kMostWorkers = 16;

constexpr option kLongOptions[] = {
    {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
    {"target-image-opts", no_argument, nullptr, kTargetImageOpts},
    {"salvage", no_argument, nullptr, kSalvage},
    {"target-is-zero", no_argument, nullptr, kTargetIsZero},
    {"bitmaps", no_argument, nullptr, kBitmaps},
    {"skip-broken-bitmaps", no_argument, nullptr, kSkipBrokenBitmaps},
    {"disk", required_argument, nullptr, kDisk},
    {"digest", required_argument, nullptr, kDigest},
    {"file-digest", required_argument, nullptr, kFileDigest},
    {"no-reflink", no_argument, nullptr, kNoReflink},
    {"recompress", no_argument, nullptr, kRecompress},
    {"compression-level", required_argument, nullptr, kCompressionLevel},
    {"name", required_argument, nullptr, kMachineName},
    {"cpus", required_argument, nullptr, kMachineCpus},
    {"memory", required_argument, nullptr, kMachineMemory},
    {"os", required_argument, nullptr, kMachineOs},
    {"network", required_argument, nullptr, kMachineNetwork},
    {"firmware", required_argument, nullptr, kMachineFirmware},
};

// The flags: options without an argument.
bool* FlagOf(ConvertArguments& arguments, int code) {
  switch (code) {
    case 'c':
      return &arguments.compress;
    case 'C':
      return &arguments.in_kernel;
    case 'p':
      return &arguments.progress;
    case 'q':
      return &arguments.quiet;
    case 'n':
      return &arguments.into_existing;
    case 'U':
      return &arguments.force_share;
    case kImageOpts:
      return &arguments.source_image_opts;
    case kTargetImageOpts:
      return &arguments.target_image_opts;
    case kTargetIsZero:
      return &arguments.target_is_zero;
    case kBitmaps:
      return &arguments.bitmaps;
    case kSkipBrokenBitmaps:
      return &arguments.skip_broken_bitmaps;
    case kSalvage:
      return &arguments.salvage;
    case kNoReflink:
      return &arguments.no_reflink;
    case kRecompress:
      return &arguments.recompress;
    default:
      return nullptr;
  }
}

bool ParseSparse(const Persona& persona, std::string_view text, ConvertArguments& arguments) {
  arguments.sparse = ParseSizeArgument(persona, "buffer size for sparse output", text);
  if (!arguments.sparse) return false;
  if (*arguments.sparse % kSectorSize == 0 && *arguments.sparse <= kLargestSparse) return true;
  Complain(persona,
           fmt::format("Invalid buffer size for sparse output specified. Valid sizes are multiples of {} up to "
                       "{}. Select 0 to disable sparse detection (fully allocates output).",
                       kSectorSize, kLargestSparse));
  return false;
}

bool ParseWorkers(const Persona& persona, std::string_view text, ConvertArguments& arguments) {
  // As qemu-img reads it: 0x4 and 010 are numbers, too.
  const std::string word(text);
  char* end = nullptr;
  const long number = std::strtol(word.c_str(), &end, 0);
  if (end != word.c_str() && *end == '\0' && number >= 1 && number <= static_cast<long>(kMostWorkers)) {
    arguments.workers = static_cast<unsigned>(number);
    return true;
  }
  Complain(persona,
           fmt::format("Invalid number of coroutines. Allowed number of coroutines is between 1 and {}", kMostWorkers));
  return false;
}

bool ParseRate(const Persona& persona, std::string_view text, ConvertArguments& arguments) {
  const auto rate = ParseSizeArgument(persona, "rate limit", text);
  arguments.rate_limit = rate.value_or(0);
  return rate.has_value();
}

// The codec says which levels there are.
bool ParseLevel(const Persona& persona, std::string_view text, ConvertArguments& arguments) {
  int level = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (failure == std::errc() && end == text.data() + text.size()) {
    arguments.compression_level = level;
    return true;
  }
  Complain(persona, fmt::format("Invalid compression level '{}'", text));
  return false;
}

// A long option that is one of -o's: the same name, and the value as it stands.
bool TakeMachineValue(const Persona& persona, int code, std::string_view value, ConvertArguments& arguments) {
  const auto* found = std::ranges::find(kLongOptions, code, &option::val);
  std::string text = fmt::format("{}=", found->name);
  for (const char letter : value) text.append(letter == ',' ? 2 : 1, letter);
  return AddOptionList(persona, arguments.create_options, text);
}

// Cache modes are looked at after everything else, as qemu-img does.
struct CacheWords {
  std::string source = "writeback";
  std::string target = "unsafe";
};

// One option that takes an argument. False after a message.
bool TakeValue(const Persona& persona, int code, std::string_view value, ConvertArguments& arguments,
               CacheWords& caches) {
  switch (code) {
    case 'f':
      arguments.source_format = value;
      return true;
    case 'O':
      arguments.target_format = value;
      return true;
    case 'B':
      arguments.backing = value;
      if (value.empty()) Complain(persona, "Expected backing file name, got empty string");
      return !value.empty();
    case 'F':
      arguments.backing_format = value;
      return true;
    case 'o':
      return AddOptionList(persona, arguments.create_options, value);
    case 'l':
      arguments.snapshot = value;
      return true;
    case kDisk:
      arguments.disk = value;
      return true;
    case kMachineName:
    case kMachineCpus:
    case kMachineMemory:
    case kMachineOs:
    case kMachineNetwork:
    case kMachineFirmware:
      return TakeMachineValue(persona, code, value, arguments);
    case 't':
      caches.target = value;
      return true;
    case 'T':
      caches.source = value;
      return true;
    case 'S':
      return ParseSparse(persona, value, arguments);
    case 'm':
      return ParseWorkers(persona, value, arguments);
    case 'r':
      return ParseRate(persona, value, arguments);
    case kCompressionLevel:
      return ParseLevel(persona, value, arguments);
    case kDigest:
      return TakeDigestNames(persona, value, arguments.digests);
    case kFileDigest:
      return TakeDigestNames(persona, value, arguments.file_digests);
    default:
      return true;  // -W: our writes need no order anyway
  }
}

// What is wrong with the combination of options; "" when nothing is.
std::string_view Contradiction(const ConvertArguments& arguments) {
  if (arguments.into_existing && !arguments.create_options.empty()) {
    return "-o has no effect when skipping image creation";
  }
  if (arguments.target_is_zero && !arguments.into_existing) return "--target-is-zero requires use of -n flag";
  if (arguments.in_kernel && arguments.compress) return "Cannot enable copy offloading when -c is used";
  if (arguments.in_kernel && arguments.sparse) return "Cannot enable copy offloading when -S is used";
  if (arguments.in_kernel && arguments.salvage) return "Cannot use copy offloading in salvaging mode";
  if (!arguments.digests.empty() && arguments.in_kernel) return "--digest has to see the bytes: it cannot go with -C";
  if (!arguments.digests.empty() && !arguments.backing.empty()) {
    return "--digest is of a whole disk: it cannot go with -B";
  }
  if (!arguments.file_digests.empty() && arguments.into_existing) {
    return "--file-digest is of a new image: it cannot go with -n";
  }
  if (arguments.target_image_opts && !arguments.into_existing) return "--target-image-opts requires use of -n flag";
  if (arguments.target_image_opts && !arguments.target_format.empty()) {
    return "--image-opts and --format are mutually exclusive";
  }
  if (arguments.skip_broken_bitmaps && !arguments.bitmaps) return "Use of --skip-broken-bitmaps requires --bitmaps";
  if (arguments.source_image_opts && !arguments.source_format.empty()) {
    return "--image-opts and --format are mutually exclusive";
  }
  return "";
}

bool ParseCaches(const Persona& persona, const CacheWords& words, ConvertArguments& arguments) {
  const auto source = ParseCacheMode(words.source);
  const auto target = ParseCacheMode(words.target);
  if (!source.ok()) Complain(persona, fmt::format("Invalid source cache option: {}", words.source));
  if (source.ok() && !target.ok()) Complain(persona, fmt::format("Invalid cache option: {}", words.target));
  if (!source.ok() || !target.ok()) return false;
  arguments.source_cache = source.value();
  arguments.target_cache = target.value();
  return true;
}

bool TakeOperands(const Persona& persona, std::vector<std::string> operands, ConvertArguments& arguments) {
  // `-o help` needs no files.
  if (operands.size() < 2 && !AsksForHelp(arguments.create_options)) {
    Complain(persona, "Must specify image file name");
    return false;
  }
  if (operands.empty()) return true;
  arguments.target = std::move(operands.back());
  operands.pop_back();
  arguments.sources = std::move(operands);
  return true;
}

}  // namespace

const std::string_view kConvertLetters = "f:O:B:CcF:o:l:S:pt:T:qnm:WUr:";

std::span<const option> ConvertLongOptions() noexcept { return kLongOptions; }

std::optional<ConvertArguments> ParseConvertArguments(const Invocation& call, ArgumentParser& parser) {
  ConvertArguments arguments;
  CacheWords caches;
  while (const auto code = parser.Next()) {
    if (bool* flag = FlagOf(arguments, *code)) {
      *flag = true;
    } else if (!TakeValue(call.persona, *code, parser.value(), arguments, caches)) {
      return std::nullopt;
    }
  }
  if (parser.exit_code()) return std::nullopt;
  if (const std::string_view wrong = Contradiction(arguments); !wrong.empty()) {
    Complain(call.persona, wrong);
    return std::nullopt;
  }
  if (arguments.target_format.empty() && !arguments.target_image_opts) arguments.target_format = "raw";
  if (!TakeOperands(call.persona, parser.operands(), arguments)) return std::nullopt;
  if (!ParseCaches(call.persona, caches, arguments)) return std::nullopt;
  return arguments;
}

}  // namespace platter::cli
