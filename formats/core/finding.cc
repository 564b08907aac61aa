#include "formats/core/finding.h"

#include <cctype>

namespace platter {
namespace {

// "region table 1" of vhdx: "region_table". The format's own name in front, and numbers, are not part of a code.
std::string CodeOf(std::string_view format, std::string_view structure) {
  std::string code;
  for (const char letter : structure) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalpha(byte) != 0) {
      code += static_cast<char>(std::tolower(byte));
    } else if (!code.empty() && code.back() != '_') {
      code += '_';
    }
  }
  while (!code.empty() && code.back() == '_') code.pop_back();
  if (code.starts_with(std::string(format) + "_")) code.erase(0, format.size() + 1);
  return code.empty() ? "structure" : code;
}

Concern ConcernOf(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kUnsupported:
      return Concern::kUnsupported;
    case ErrorKind::kLimit:
      return Concern::kUnseen;
    case ErrorKind::kDenied:
      return Concern::kReference;
    default:
      return Concern::kCorrupt;
  }
}

}  // namespace

Severity SeverityOf(Concern concern) noexcept {
  switch (concern) {
    case Concern::kNone:
      return Severity::kInfo;
    case Concern::kUnseen:
      return Severity::kWarning;
    case Concern::kTruncated:
    case Concern::kCorrupt:
      return Severity::kCorrupt;
    default:
      return Severity::kUnsafe;
  }
}

std::string_view SeverityName(Severity severity) noexcept {
  constexpr std::string_view kNames[] = {"info", "warning", "unsafe", "corrupt"};
  return kNames[static_cast<std::size_t>(severity)];
}

Finding FindingOf(std::string_view format, std::span<const FindingRule> rules, const Error& error) {
  Finding finding;
  finding.concern = ConcernOf(error.kind());
  finding.code = CodeOf(format, error.structure());
  for (const FindingRule& rule : rules) {
    if (!error.structure().starts_with(rule.structure) || !error.field().starts_with(rule.field)) continue;
    finding.code = rule.code;
    if (error.kind() == ErrorKind::kCorrupt) finding.concern = rule.concern;
    if (!rule.cve.empty()) finding.cves.push_back(rule.cve);
    break;
  }
  finding.code.insert(0, std::string(format) + ".");
  finding.severity = SeverityOf(finding.concern);
  finding.offset = error.host_offset();
  finding.value = error.found();
  finding.message = error.Describe();
  return finding;
}

}  // namespace platter
