#include "formats/inspect/report.h"

#include <utility>

namespace platter::inspect {
namespace {

Detail ToDetail(const Finding& finding) {
  Detail detail;
  detail.Add("code", finding.code).Add("severity", SeverityName(finding.severity));
  if (finding.offset) detail.Add("offset", *finding.offset);
  if (!finding.value.empty()) detail.Add("value", finding.value);
  detail.Add("message", finding.message);
  detail.Add("cve", Detail::List(finding.cves.begin(), finding.cves.end()));
  return detail;
}

}  // namespace

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

Detail ToDetail(const Report& report) {
  Detail detail;
  detail.Add("schema", "platter-inspection/1").Add("verdict", VerdictName(report.verdict));
  detail.Add("format", report.format).Add("formats", Detail::List(report.formats.begin(), report.formats.end()));
  detail.Add("variant", report.variant).Add("container", report.container).Add("content", report.content);
  if (report.virtual_size) detail.Add("virtual_size", *report.virtual_size);
  detail.Add("file_size", report.file_size);
  if (report.expected_length) detail.Add("expected_length", *report.expected_length);
  detail.Add("confidence", ConfidenceName(report.confidence));
  Detail::List findings;
  for (const Finding& finding : report.findings) findings.push_back(ToDetail(finding));
  detail.Add("findings", std::move(findings));
  return detail;
}

}  // namespace platter::inspect
