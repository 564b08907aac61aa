#include "tools/platter/argument_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tools/platter/message.h"

namespace platter::cli {
namespace {

bool IsUnknownToQemu(const option& known) {
  static constexpr std::array kUnknown = {kDisk,          kFileDigest, kDigest,           kNoReflink,      kGuest,
                                          kBlockSize,     kRecompress, kCompressionLevel, kMachineName,    kMachineCpus,
                                          kMachineMemory, kMachineOs,  kMachineNetwork,   kMachineFirmware};
  return std::ranges::find(kUnknown, known.val) != kUnknown.end();
}

}  // namespace

ArgumentParser::ArgumentParser(const Invocation& call, std::string_view letters, std::span<const option> long_options)
    : call_(call), letters_(fmt::format(":h{}", letters)), long_options_(long_options.begin(), long_options.end()) {
  if (call.persona.as_qemu) std::erase_if(long_options_, IsUnknownToQemu);
  long_options_.push_back({"help", no_argument, nullptr, 'h'});
  long_options_.push_back({"object", required_argument, nullptr, kObject});
  long_options_.push_back({nullptr, 0, nullptr, 0});
  opterr = 0;
  optind = 0;
}

std::optional<int> ArgumentParser::Stop(int exit_code) noexcept {
  exit_code_ = exit_code;
  return std::nullopt;
}

std::optional<int> ArgumentParser::Next() {
  const int count = static_cast<int>(call_.words.size());
  const int code = getopt_long(count, call_.words.data(), letters_.c_str(), long_options_.data(), nullptr);
  const Persona& persona = call_.persona;
  value_ = optarg == nullptr ? "" : optarg;
  const auto word = [&] { return call_.words[static_cast<std::size_t>(optind) - 1]; };
  switch (code) {
    case -1:
      return std::nullopt;
    case ':':
      return Stop(ComplainUsage(persona, fmt::format("missing argument for option '{}'", word())));
    case '?':
      return Stop(ComplainUsage(persona, fmt::format("unrecognized option '{}'", word())));
    case 'h':
      persona.as_qemu ? PrintHelp(persona) : PrintVerbHelp(persona, call_.verb);
      return Stop(0);
    case kObject:
      Complain(persona, fmt::format("--object is not supported (got '{}'): secrets are of no use here", value_));
      return Stop(1);
    default:
      return NamesNothing(code) ? Stop(ComplainOfNothing(code)) : std::optional(code);
  }
}

// An empty variable of a script: without a format the content would decide.
bool ArgumentParser::NamesNothing(int code) const noexcept {
  return value_.empty() && (code == 'f' || code == 'F' || code == 'O');
}

int ArgumentParser::ComplainOfNothing(int code) const {
  const bool image = code != 'O' && call_.verb.name != "create";
  Complain(call_.persona, image || code == 'F' ? "Unknown driver ''" : "Unknown file format ''");
  return call_.verb.name == "compare" ? 2 : 1;
}

std::vector<std::string> ArgumentParser::operands() const {
  const auto rest = call_.words.subspan(static_cast<std::size_t>(optind));
  return {rest.begin(), rest.end()};
}

std::optional<OutputFormat> ParseOutputFormat(const Persona& persona, std::string_view text) {
  if (text == "human") return OutputFormat::kHuman;
  if (text == "json") return OutputFormat::kJson;
  Complain(persona, "--output must be used with human or json as argument.");
  return std::nullopt;
}

bool TakeOnlyOperand(const Invocation& call, const ArgumentParser& parser, std::string& operand) {
  auto operands = parser.operands();
  if (operands.size() != 1) {
    ComplainUsage(call.persona, "Expecting one image file name");
    return false;
  }
  operand = std::move(operands.front());
  return true;
}

}  // namespace platter::cli
