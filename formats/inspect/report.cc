#include "formats/inspect/report.h"

#include <utility>

namespace platter::inspect {

std::string_view VerdictName(Verdict verdict) noexcept {
  constexpr std::string_view kNames[] = {"accepted", "refused", "undecided"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::string_view ConfidenceName(Confidence confidence) noexcept {
  constexpr std::string_view kNames[] = {"guess", "likely", "certain"};
  return kNames[static_cast<std::size_t>(confidence)];
}

void Report::Add(std::string code, Concern concern, std::string message, std::string value) {
  findings.push_back({.code = std::move(code),
                      .severity = SeverityOf(concern),
                      .concern = concern,
                      .value = std::move(value),
                      .message = std::move(message)});
}

}  // namespace platter::inspect
