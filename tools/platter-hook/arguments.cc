#include "tools/platter-hook/arguments.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

#include "formats/core/options.h"

namespace platter::hook {
namespace {

constexpr std::uint64_t kLongestPolicy = std::uint64_t{1} << 20;
// Any more would wrap in a struct rlimit.
constexpr std::uint64_t kMostSeconds = std::uint64_t{1} << 30;
constexpr std::uint64_t kMostMemory = std::uint64_t{1} << 46;

enum Code : int {
  kHelp = 1000,
  kVersion,
  kPolicy,
  kDepth,
  kRequireSandbox,
  kCpuSeconds,
  kMemory,
  kPolicyKey,  // with underscores a key of a policy
};

constexpr option kOptions[] = {
    {"help", no_argument, nullptr, kHelp},
    {"version", no_argument, nullptr, kVersion},
    {"policy", required_argument, nullptr, kPolicy},
    {"depth", required_argument, nullptr, kDepth},
    {"require-sandbox", no_argument, nullptr, kRequireSandbox},
    {"cpu-seconds", required_argument, nullptr, kCpuSeconds},
    {"memory", required_argument, nullptr, kMemory},
    {"expect-disk", required_argument, nullptr, kPolicyKey},
    {"expect-container", required_argument, nullptr, kPolicyKey},
    {"allow-formats", required_argument, nullptr, kPolicyKey},
    {"max-virtual-size", required_argument, nullptr, kPolicyKey},
    {"max-ratio", required_argument, nullptr, kPolicyKey},
    {"allow-references", no_argument, nullptr, kPolicyKey},
    {"allow-ambiguous", no_argument, nullptr, kPolicyKey},
    {"allow-truncated", no_argument, nullptr, kPolicyKey},
    {"allow-encrypted", no_argument, nullptr, kPolicyKey},
    {nullptr, 0, nullptr, 0},
};

Result<> ReadPolicyFile(const std::string& path, inspect::Policy& policy) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "re"), close);
  if (file == nullptr) return Error::FromErrno(errno, "cannot open the policy").In(path);
  std::string text(kLongestPolicy + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return Error::FromErrno(errno, "cannot read the policy").In(path);
  if (text.size() > kLongestPolicy) return Error(ErrorKind::kInvalid, "the policy is larger than 1 MiB").In(path);
  auto read = inspect::ReadPolicy(text, policy);
  if (!read.ok()) return std::move(read).error().In(path);
  return Done{};
}

Result<std::uint64_t> Limit(const char* name, const char* value, std::uint64_t most) {
  const auto limit = ParseSize(value);
  if (limit.ok() && limit.value() >= 1 && limit.value() <= most) return limit.value();
  return Error(ErrorKind::kInvalid, fmt::format("--{} has a value that means nothing", name))
      .Found(std::string(value))
      .Allowed(fmt::format("1 to {}", most));
}

Result<> Take(const option& chosen, const char* value, Arguments& arguments) {
  switch (chosen.val) {
    case kHelp:
      arguments.wish = Arguments::Wish::kHelp;
      return Done{};
    case kVersion:
      arguments.wish = Arguments::Wish::kVersion;
      return Done{};
    case kPolicy:
      return ReadPolicyFile(value, arguments.policy);
    case kDepth:
      arguments.depth = std::string_view(value) == "full" ? inspect::Depth::kFull : inspect::Depth::kStreaming;
      if (arguments.depth == inspect::Depth::kFull || std::string_view(value) == "streaming") return Done{};
      return Error(ErrorKind::kInvalid, "--depth is unknown").Found(std::string(value)).Allowed("streaming, full");
    case kRequireSandbox:
      arguments.require_sandbox = true;
      return Done{};
    case kCpuSeconds:
      arguments.limits.cpu_seconds = PLATTER_TRY(Limit(chosen.name, value, kMostSeconds));
      return Done{};
    case kMemory:
      arguments.limits.memory = PLATTER_TRY(Limit(chosen.name, value, kMostMemory));
      return Done{};
    default: {
      std::string key = chosen.name;
      std::ranges::replace(key, '-', '_');
      return inspect::SetPolicyValue(arguments.policy, key, value == nullptr ? "yes" : value);
    }
  }
}

}  // namespace

Result<Arguments> ParseArguments(std::span<char*> words) {
  Arguments arguments;
  opterr = 0;
  int index = 0;
  const int count = static_cast<int>(words.size());
  for (int code = 0; (code = getopt_long(count, words.data(), ":", kOptions, &index)) != -1;) {
    if (code == ':' || code == '?') {
      const char* what = code == ':' ? "an option lacks its value" : "there is no such option";
      return Error(ErrorKind::kInvalid, what).Found(std::string(words[static_cast<std::size_t>(optind) - 1]));
    }
    PLATTER_CHECK(Take(kOptions[index], optarg, arguments));
    if (arguments.wish != Arguments::Wish::kInspect) return arguments;
  }
  if (count - optind != 1) return Error(ErrorKind::kInvalid, "one FILE is expected, or - for the standard input");
  arguments.file = words[static_cast<std::size_t>(optind)];
  return arguments;
}

std::string HelpText() {
  return R"(usage: platter-hook [OPTIONS] FILE
Judges an image from a stranger, locked in before it reads the first byte. FILE may be - for the standard input.
Prints one JSON object; exits with 0 when the image is accepted, 1 when it is refused, 2 when it cannot be judged.

What is taken:
  --policy FILE             read these settings from an INI file; what comes later on the command line counts more
  --expect-disk FORMAT      the disk format that was declared
  --expect-container FORMAT the container format that was declared (bare)
  --allow-formats LIST      formats that are taken, commas between
  --max-virtual-size SIZE   the largest disk; k, M, G, T are powers of 1024
  --max-ratio N             the disk is at most N times as large as the file
  --allow-references        take images that name other files
  --allow-ambiguous         take files that different programs may read differently
  --allow-truncated         take files that end early
  --allow-encrypted         take images whose content cannot be looked at

How it is looked at:
  --depth streaming|full    headers and top-level tables (streaming), or all tables of a file (full)
  --require-sandbox         do not read FILE unless every layer of the sandbox is in force
  --cpu-seconds N           processor time (30); a second more for each 256 MiB that is read, and for each 8 MiB that
                            is unpacked
  --memory SIZE             memory on top of what the program itself takes (384M)
  --help, --version
)";
}

}  // namespace platter::hook
