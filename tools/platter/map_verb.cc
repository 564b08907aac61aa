// platter map: which parts of the guest disk are stored where.
#include <fmt/compile.h>
#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <limits>

#include "formats/open.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/chain_map.h"
#include "tools/platter/hidden_map.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"

namespace platter::cli {
namespace {

struct MapArguments {
  ImageArgument image;
  OutputFormat output = OutputFormat::kHuman;
  std::uint64_t start = 0;                                           // guest bytes
  std::uint64_t length = std::numeric_limits<std::uint64_t>::max();  // guest bytes
};

constexpr option kOptions[] = {
    {"disk", required_argument, nullptr, kDisk},     {"format", required_argument, nullptr, 'f'},
    {"output", required_argument, nullptr, kOutput}, {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},      {"start-offset", required_argument, nullptr, 's'},
    {"max-length", required_argument, nullptr, 'l'},
};

bool TakeSize(const Persona& persona, std::string_view what, std::string_view text, std::uint64_t& size) {
  const auto parsed = ParseSizeArgument(persona, what, text);
  if (parsed) size = *parsed;
  return parsed.has_value();
}

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, MapArguments& arguments) {
  arguments.image.dialect = call.persona.dialect();
  arguments.image.containers = true;
  std::string output = "human";
  while (const auto code = parser.Next()) {
    if (*code == 'f') arguments.image.format = parser.value();
    if (*code == kDisk) arguments.image.disk = parser.value();
    if (*code == 'U') arguments.image.force_share = true;
    if (*code == kImageOpts) arguments.image.image_opts = true;
    if (*code == kOutput) output = parser.value();
    if (*code == 's' && !TakeSize(call.persona, "start offset", parser.value(), arguments.start)) return false;
    if (*code == 'l' && !TakeSize(call.persona, "max length", parser.value(), arguments.length)) return false;
  }
  if (parser.exit_code() || !TakeOnlyOperand(call, parser, arguments.image.text)) return false;
  const auto form = ParseOutputFormat(call.persona, output);
  if (form) arguments.output = *form;
  return form.has_value();
}

std::string Hex(std::uint64_t value) { return value == 0 ? "0" : fmt::format("{:#x}", value); }

class Printer {
 public:
  explicit Printer(OutputFormat output) : json_(output == OutputFormat::kJson) {
    Add(FMT_COMPILE("{}"), json_ ? "[" : "Offset          Length          Mapped to       File\n");
  }
  ~Printer() { Flush(); }
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;

  // False when there is no line for people that could say it.
  bool Print(const MapEntry& entry) {
    if (json_) {
      PrintJson(entry);
      return true;
    }
    if (!entry.data || entry.zero) return true;
    if (!entry.host) return false;
    Add(FMT_COMPILE("{:<16}{:<16}{:<16}{}\n"), Hex(entry.start), Hex(entry.length), Hex(entry.host->offset),
        entry.host->file->name());
    return true;
  }

  void Finish() {
    if (json_) Add(FMT_COMPILE("]\n"));
  }

  // Before anything else is said.
  void Flush() {
    std::fwrite(text_.data(), 1, text_.size(), stdout);
    text_.clear();
  }

 private:
  static constexpr std::size_t kFull = 32768;

  template <class Format, class... Values>
  void Add(const Format& format, const Values&... values) {
    if (text_.size() >= kFull) Flush();
    fmt::format_to(std::back_inserter(text_), format, values...);
  }

  void PrintJson(const MapEntry& entry) {
    Add(FMT_COMPILE("{}{{ \"start\": {}, \"length\": {}, \"depth\": {}, \"present\": {}, \"zero\": {}, \"data\": {}"),
        first_ ? "" : ",\n", entry.start, entry.length, entry.depth, entry.present, entry.zero, entry.data);
    if (entry.host) Add(FMT_COMPILE(", \"offset\": {}"), entry.host->offset);
    Add(FMT_COMPILE("}}"));
    first_ = false;
  }

  bool json_;
  bool first_ = true;
  fmt::memory_buffer text_;
};

// Prints the entries one by one: an image of any size is never held as a whole.
int PrintMap(const Persona& persona, const OpenedChain& chain, const MapArguments& arguments) {
  ChainMap map(chain, arguments.start, arguments.length);
  Printer printer(arguments.output);
  while (true) {
    const auto entry = map.Next();
    if (!entry.ok()) {
      printer.Flush();
      Complain(persona, fmt::format("Failed to read image metadata: {}", ReasonOf(entry.error())));
      return 1;
    }
    if (!entry.value()) break;
    if (!printer.Print(*entry.value())) {
      printer.Flush();
      Complain(persona, "File contains external, encrypted or compressed clusters.");
      return 1;
    }
  }
  printer.Finish();
  return 0;
}

// Nothing of a guest disk that cannot be decrypted is told, as it is with qemu-img.
const OpenedLayer* FindEncrypted(const OpenedChain& chain) {
  for (const OpenedLayer& layer : chain.layers) {
    if (layer.image->info().encrypted) return &layer;
  }
  return nullptr;
}

}  // namespace

int RunMap(const Invocation& call) {
  ArgumentParser parser(call, "f:s:l:U", kOptions);
  MapArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  auto chain = OpenImage(arguments.image, {});
  if (!chain.ok()) {
    ComplainOpen(call.persona, arguments.image.text, chain.error());
    return 1;
  }
  if (call.persona.as_qemu) HideFromQemu(chain.value());
  if (const OpenedLayer* layer = FindEncrypted(chain.value())) {
    const std::string reason = fmt::format("{} is encrypted, which is not supported", layer->path);
    Complain(call.persona, fmt::format("Could not open '{}': {}", arguments.image.text, reason));
    return 1;
  }
  return PrintMap(call.persona, chain.value(), arguments);
}

}  // namespace platter::cli
