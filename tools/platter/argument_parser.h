// Command lines as qemu-img reads them: options in any place, long ones abbreviated, by getopt_long.
#pragma once

#include <getopt.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/platter/verb.h"

namespace platter::cli {

// Codes of long options that have no letter.
enum LongOption : int {
  kOutput = 256,
  kObject,
  kImageOpts,
  kTargetImageOpts,
  kTargetIsZero,
  kBitmaps,
  kSkipBrokenBitmaps,
  kSalvage,
  kNoReflink,
  kBackingChain,
  kStartOffset,
  kMaxLength,
  kSize,
  kPartition,
  kKernel,
  kForce,
  kAmi,
  kAki,
  kAri,
  kAppend,
  kTree,
  kFrom,
  kJoliet,
  kRockRidge,
  kBoot,
  kEfiBoot,
  kDigest,
  kFileDigest,
  kDisk,
  kMachineName,
  kMachineCpus,
  kMachineMemory,
  kMachineOs,
  kMachineNetwork,
  kMachineFirmware,
  kGuest,
  kBlockSize,
  kLabel,
  kImage,
  kPlatform,
  kEntryPoint,
  kCommand,
  kUser,
  kWorkingDirectory,
  kPort,
  kVolume,
  kAuthor,
  kCompression,
  kCreated,
  kRecompress,
  kCompressionLevel,
};

// One parser at a time: getopt_long keeps its place in the process.
class ArgumentParser {
 public:
  // `letters` as getopt takes them, without "-h" and without a leading ':'. "--help" and "--object" are understood
  // without being listed; `long_options` needs no closing row.
  ArgumentParser(const Invocation& call, std::string_view letters, std::span<const option> long_options);

  // The next option's letter or code. Empty at the end of the options, and when the call has to end: see exit_code().
  std::optional<int> Next();
  // The argument of the option that Next returned; empty where it takes none.
  std::string_view value() const noexcept { return value_; }
  // Set when help was asked for (and printed), or when the command line is wrong (and a message was printed).
  std::optional<int> exit_code() const noexcept { return exit_code_; }
  // What is no option, in order. Requires: Next returned empty.
  std::vector<std::string> operands() const;

 private:
  std::optional<int> Stop(int exit_code) noexcept;
  bool NamesNothing(int code) const noexcept;
  int ComplainOfNothing(int code) const;

  const Invocation& call_;
  std::string letters_;
  std::vector<option> long_options_;
  std::string value_;
  std::optional<int> exit_code_;
};

// The operand of a verb that takes one image. False, after a message, when there is none or more than one.
bool TakeOnlyOperand(const Invocation& call, const ArgumentParser& parser, std::string& operand);

enum class OutputFormat { kHuman, kJson };
// "human" or "json"; empty, after a message, for anything else.
std::optional<OutputFormat> ParseOutputFormat(const Persona& persona, std::string_view text);

// `platter --help` and `platter VERB --help`; qemu-img prints one text for both.
void PrintHelp(const Persona& persona);
void PrintVerbHelp(const Persona& persona, const Verb& verb);
void PrintVersion(const Persona& persona);

}  // namespace platter::cli
