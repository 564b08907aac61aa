// platter docker wrap: a container image out of a root file system.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <regex>
#include <thread>

#include "convert/amazon/root.h"
#include "convert/docker/wrap.h"
#include "formats/amazon/file_system.h"
#include "formats/containers/docker/json.h"
#include "formats/core/chain_storage.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/docker_verb.h"
#include "tools/platter/files_read.h"
#include "tools/platter/human_size.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/new_image.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/source_watch.h"
#include "tools/platter/volume_source.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct WrapArguments {
  ImageArgument disk;
  std::string target;
  std::optional<std::uint32_t> partition;
  docker::WrapRequest request;
  std::string platform;
  bool quiet = false;
};

constexpr option kOptions[] = {
    {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
    {"tag", required_argument, nullptr, 't'},
    {"partition", required_argument, nullptr, kPartition},
    {"platform", required_argument, nullptr, kPlatform},
    {"entrypoint", required_argument, nullptr, kEntryPoint},
    {"cmd", required_argument, nullptr, kCommand},
    {"env", required_argument, nullptr, 'e'},
    {"user", required_argument, nullptr, kUser},
    {"workdir", required_argument, nullptr, kWorkingDirectory},
    {"expose", required_argument, nullptr, kPort},
    {"volume", required_argument, nullptr, kVolume},
    {"label", required_argument, nullptr, kLabel},
    {"author", required_argument, nullptr, kAuthor},
    {"created", required_argument, nullptr, kCreated},
    {"compression", required_argument, nullptr, kCompression},
};

// As in a Dockerfile: a JSON list of words, or a line for the shell.
Result<std::vector<std::string>> WordsOf(std::string_view text) {
  if (!text.starts_with('[')) return std::vector<std::string>{"/bin/sh", "-c", std::string(text)};
  const std::string whole = fmt::format("{{\"words\":{}}}", text);
  const auto document = PLATTER_TRY(docker::ParseJson(std::as_bytes(std::span(whole)), "list of words"));
  const auto fields = PLATTER_TRY(docker::JsonFields::Of(document, "list of words"));
  return fields.Texts("words");
}

// The reference grammar of distribution, without digests: components with slashes between them, of letters in lower
// case and digits, with ".", "_", "__" or dashes between those; the first of several may be a host with its port.
bool IsName(const std::string& text) {
  static const std::regex kName(
      "([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*(:[0-9]+)?/)?"
      "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*");
  constexpr std::size_t kLongest = 255;
  return text.size() <= kLongest && std::regex_match(text, kName);
}

// "name:tag", with ":latest" where there is no tag.
Result<std::string> TagOf(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const bool tagged = colon != std::string::npos && text.find('/', colon) == std::string::npos;
  const std::string name = tagged ? text.substr(0, colon) : text;
  const std::string tag = tagged ? text.substr(colon + 1) : "latest";
  constexpr std::size_t kLongestTag = 128;
  const auto fits = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '.' || letter == '-';
  };
  const bool sound = !tag.empty() && tag.size() <= kLongestTag && std::ranges::all_of(tag, fits) &&
                     tag.front() != '.' && tag.front() != '-';
  if (IsName(name) && sound) return name + ":" + tag;
  return Error(ErrorKind::kInvalid, "this is no name of an image")
      .Found(text)
      .Allowed("NAME or NAME:TAG, the name in lower case");
}

Result<std::pair<std::string, std::string>> LabelOf(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals != 0 && equals != std::string::npos) return std::pair(text.substr(0, equals), text.substr(equals + 1));
  return Error(ErrorKind::kInvalid, "a label is KEY=VALUE").Found(text);
}

Result<std::string> PortOf(const std::string& text) {
  constexpr unsigned kMostPorts = 65535;
  unsigned port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const bool sound = failure == std::errc() && port >= 1 && port <= kMostPorts;
  if (sound && rest.empty()) return text + "/tcp";
  if (sound && (rest == "/tcp" || rest == "/udp" || rest == "/sctp")) return text;
  return Error(ErrorKind::kInvalid, "this is no port").Found(text).Allowed("80, 80/tcp, 53/udp, ...");
}

// RFC 3339, as the image specification wants it.
Result<std::string> TimeOf(const std::string& text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  bool sound = text.size() > kShape.size() && text.ends_with('Z');
  for (std::size_t at = 0; sound && at < kShape.size(); ++at) {
    sound = kShape[at] == '0' ? text[at] >= '0' && text[at] <= '9' : text[at] == kShape[at];
  }
  if (sound) return text;
  return Error(ErrorKind::kInvalid, "this is no time").Found(text).Allowed("2026-01-31T12:00:00Z");
}

Result<docker::Compression> CompressionOf(const std::string& text) {
  if (text == "gzip") return docker::Compression::kGzip;
  if (text == "zstd") return docker::Compression::kZstd;
  if (text == "none") return docker::Compression::kNone;
  return Error(ErrorKind::kInvalid, "a compression that is not known").Found(text).Allowed("gzip, zstd or none");
}

Result<> TakePartition(const std::string& text, WrapArguments& arguments) {
  std::uint32_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || number == 0) {
    return Error(ErrorKind::kInvalid, "partitions count from 1").Found(text);
  }
  arguments.partition = number;
  return Done{};
}

// RFC 3629, section 4: what may follow a first byte.
struct Sequence {
  unsigned char first, last;  // bytes that it begins with
  unsigned char least_second, most_second;
  std::size_t length;
};
constexpr Sequence kSequences[] = {
    {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

bool IsUtf8(std::string_view text) {
  const auto in = [](char byte, unsigned char least, unsigned char most) {
    return static_cast<unsigned char>(byte) >= least && static_cast<unsigned char>(byte) <= most;
  };
  while (!text.empty()) {
    const auto* known =
        std::ranges::find_if(kSequences, [&](const Sequence& row) { return in(text[0], row.first, row.last); });
    if (known == std::end(kSequences) || known->length > text.size()) return false;
    const std::string_view rest = text.substr(1, known->length - 1);
    if (!rest.empty() && !in(rest[0], known->least_second, known->most_second)) return false;
    if (!std::ranges::all_of(rest, [&](char byte) { return in(byte, 0x80, 0xBF); })) return false;
    text.remove_prefix(known->length);
  }
  return true;
}

Result<> TakeOption(int code, const std::string& value, WrapArguments& arguments) {
  // All of them end up in JSON.
  if (!IsUtf8(value)) return Error(ErrorKind::kInvalid, "an option's text is no UTF-8").Found(PrintableName(value));
  docker::ImageConfig& config = arguments.request.config;
  if (code == 't') arguments.request.tags.push_back(PLATTER_TRY(TagOf(value)));
  if (code == kPartition) return TakePartition(value, arguments);
  if (code == kPlatform) arguments.platform = value;
  if (code == kEntryPoint) config.entry_point = PLATTER_TRY(WordsOf(value));
  if (code == kCommand) config.command = PLATTER_TRY(WordsOf(value));
  if (code == 'e') {
    if (value.find('=') == 0 || value.find('=') == std::string::npos) {
      return Error(ErrorKind::kInvalid, "a variable is NAME=VALUE").Found(value);
    }
    config.environment.push_back(value);
  }
  if (code == kUser) config.user = value;
  if (code == kWorkingDirectory) {
    if (!value.starts_with('/')) return Error(ErrorKind::kInvalid, "the folder to work in is absolute").Found(value);
    config.working_directory = value;
  }
  if (code == kPort) config.exposed_ports.push_back(PLATTER_TRY(PortOf(value)));
  if (code == kVolume) config.volumes.push_back(value);
  if (code == kLabel) config.labels.push_back(PLATTER_TRY(LabelOf(value)));
  if (code == kAuthor) config.author = value;
  if (code == kCreated) config.created = PLATTER_TRY(TimeOf(value));
  if (code == kCompression) arguments.request.compression = PLATTER_TRY(CompressionOf(value));
  if (code == 'f') arguments.disk.format = value;
  if (code == 'U') arguments.disk.force_share = true;
  if (code == kImageOpts) arguments.disk.image_opts = true;
  if (code == 'q') arguments.quiet = true;
  return Done{};
}

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, WrapArguments& arguments) {
  // Says nothing of when it was made, so that the same files make the same image.
  arguments.request.config.created = "1970-01-01T00:00:00Z";
  while (const auto code = parser.Next()) {
    const auto taken = TakeOption(*code, std::string(parser.value()), arguments);
    if (taken.ok()) continue;
    Complain(call.persona, taken.error().Describe());
    return false;
  }
  if (parser.exit_code()) return false;
  const auto operands = parser.operands();
  if (operands.size() == 2) {
    arguments.disk.text = operands[0];
    arguments.target = operands[1];
    return true;
  }
  ComplainUsage(call.persona, "Expecting the file system and the archive to write");
  return false;
}

class WrapRun {
 public:
  WrapRun(const Persona& persona, WrapArguments& arguments, const OpenedChain& chain, const SourceWatch& watch)
      : persona_(persona), arguments_(arguments), chain_(chain), watch_(watch) {}

  int Run() {
    const auto done = Work();
    if (done.ok()) return 0;
    Complain(persona_, fmt::format("{}: {}", arguments_.disk.text, done.error().Describe()));
    return 1;
  }

 private:
  Result<> Work() {
    PLATTER_CHECK(OpenFiles());
    PLATTER_CHECK(TakePlatform());
    docker::WrapRequest& request = arguments_.request;
    request.workers = std::max(std::thread::hardware_concurrency(), 1U);
    request.cancel = &CatchInterrupts();
    docker::HistoryEntry made;
    made.created = request.config.created;
    made.created_by = "platter docker wrap";
    request.config.history = {made};
    const std::string path = PLATTER_TRY(TargetPath(persona_, arguments_.target));
    PLATTER_CHECK(CheckTarget(path));
    NewImageFiles files(CacheMode::kUnsafe);
    const auto target = PLATTER_TRY(files.Make(path));
    const docker::Wrapped wrapped = PLATTER_TRY(docker::Wrap(*files_, request, *target));
    PLATTER_CHECK(watch_.Unchanged());
    files.Keep();
    WarnOfLosses(wrapped);
    if (arguments_.quiet) return Done{};
    const std::string name = request.tags.empty() ? "an image" : request.tags.front();
    PrintText(IsStandardOutput(path) ? stderr : stdout, "{}: {} for {}/{}, {} in {} files, {}\n", arguments_.target,
              name, request.config.os, request.config.architecture, HumanSize(wrapped.size), wrapped.files,
              wrapped.digest);
    return Done{};
  }

  void WarnOfLosses(const docker::Wrapped& wrapped) const {
    const auto warn = [&](std::uint64_t count, std::string_view what) {
      if (count != 0) Complain(persona_, fmt::format("warning: {} {}", count, what));
    };
    warn(wrapped.sockets, "sockets are left out: a layer holds none");
    warn(wrapped.whiteouts, "files named .wh.* are left out: in a layer such names remove other files");
    warn(wrapped.attributes, "extended attributes with a '=' in their names are left out: a layer holds none");
  }

  // The whole disk, or the partition that is the root.
  Result<> OpenFiles() {
    const auto disk = std::make_shared<ChainStorage>(arguments_.disk.text, chain_.chain());
    std::shared_ptr<Storage> bytes = disk;
    std::string name = arguments_.disk.text;
    const auto magic = amazon::RecogniseFileSystem(*disk);
    const bool bare = magic.ok() && magic.value() && magic.value()->type.starts_with("ext");
    if (!bare || arguments_.partition) {
      amazon::RootChoice choice = PLATTER_TRY(amazon::FindRoot(disk, arguments_.partition));
      if (!choice.root.about.type.starts_with("ext")) {
        return Error(ErrorKind::kUnsupported, "files are read out of ext file systems only")
            .Found(choice.root.Name())
            .Allowed("ext2, ext3 or ext4");
      }
      bytes = choice.root.bytes;
      name = fmt::format("{} of {}", choice.root.Name(), name);
    }
    // Once for the content, and once more for tables.
    const std::uint64_t budget = std::max(ext::kMaxBytes, 4 * std::min(bytes->size(), UINT64_MAX / 8));
    files_ = PLATTER_TRY(ext::FileSystem::Open(std::move(bytes), budget));
    if (files_->journal_pending()) WarnOfJournal(persona_, name);
    return Done{};
  }

  Result<> TakePlatform() {
    docker::ImageConfig& config = arguments_.request.config;
    config.os = "linux";
    const std::string& text = arguments_.platform;
    if (text.empty()) {
      config.architecture = PLATTER_TRY(docker::ArchitectureOf(*files_));
      if (!config.architecture.empty()) return Done{};
      return Error(ErrorKind::kInvalid, "there is no program in it that says for which architecture it is")
          .Try("say so with --platform linux/amd64");
    }
    const std::size_t slash = text.find('/');
    const std::size_t second = slash == std::string::npos ? slash : text.find('/', slash + 1);
    if (slash != std::string::npos) config.os = text.substr(0, slash);
    config.architecture = slash == std::string::npos ? text : text.substr(slash + 1, second - slash - 1);
    if (second != std::string::npos) config.variant = text.substr(second + 1);
    if (!config.os.empty() && !config.architecture.empty()) return Done{};
    return Error(ErrorKind::kInvalid, "this is no platform").Found(text).Allowed("OS/ARCHITECTURE[/VARIANT]");
  }

  Result<> CheckTarget(const std::string& path) const {
    FilesRead read;
    read.Add(chain_);
    if (!read.Has(path)) return Done{};
    return Error(ErrorKind::kInvalid, fmt::format("'{}' is the disk itself, or a part of it", arguments_.target));
  }

  const Persona& persona_;
  WrapArguments& arguments_;
  const OpenedChain& chain_;
  const SourceWatch& watch_;
  std::unique_ptr<ext::FileSystem> files_;
};

}  // namespace

int RunDockerWrap(const Invocation& call) {
  ArgumentParser parser(call, "f:t:e:Uq", kOptions);
  WrapArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  arguments.disk.containers = true;
  SourceWatch watch;
  const auto chain = OpenWatched(arguments.disk, watch);
  if (!chain.ok()) {
    ComplainOpen(call.persona, arguments.disk.text, chain.error());
    return 1;
  }
  return WrapRun(call.persona, arguments, chain.value(), watch).Run();
}

}  // namespace platter::cli
