// Finding: one thing that whoever takes an image from a stranger should know about it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/error.h"

namespace platter {

// What a finding means for a verdict: a policy allows a concern or does not.
enum class Concern : std::uint8_t {
  kNone,         // good to know
  kReference,    // other files are named
  kAmbiguous,    // different programs may read different things
  kTruncated,    // bytes are missing
  kCorrupt,      // the format forbids it
  kEncrypted,    // the guest's bytes cannot be looked at
  kUnsupported,  // legal, perhaps, and unknown to us
  kSize,         // larger than the policy allows
  kMismatch,     // not what was declared
  kUnseen,       // could not be looked at: passed by in a stream, or too large to hold
};

enum class Severity : std::uint8_t { kInfo, kWarning, kUnsafe, kCorrupt };

struct Finding {
  std::string code;  // stable: "qcow2.backing_file"
  Severity severity = Severity::kInfo;
  Concern concern = Concern::kNone;
  std::optional<std::uint64_t> offset = {};  // host bytes
  std::string value = {};                    // as found, "" where there is none
  std::string message = {};                  // a sentence for a person, without the full stop
  std::vector<std::string_view> cves = {};   // of attacks that looked like this; static text
};

// Gives errors of a format's parsers their codes. A rule fits when the error's structure and field start with its own;
// "" fits everything. The first that fits counts; without one the code is the structure's name.
struct FindingRule {
  std::string_view structure;
  std::string_view field;
  std::string_view code;  // behind "FORMAT."
  Concern concern = Concern::kCorrupt;
  std::string_view cve = "";
};

// What reading `format` ran into, as a finding. kIo and kCancelled are the host's and the caller's, not the image's:
// they have no place here.
Finding FindingOf(std::string_view format, std::span<const FindingRule> rules, const Error& error);

// Of a concern, in a verdict: kReference is unsafe, kCorrupt corrupt, and so on.
Severity SeverityOf(Concern concern) noexcept;
std::string_view SeverityName(Severity severity) noexcept;  // "info", "warning", "unsafe", "corrupt"

}  // namespace platter
