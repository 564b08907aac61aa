#include "registry-core/ingest/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "formats/core/json.h"

namespace platter::registry {
namespace {

// Bytes of what is told of a finding: names and values in it are the image's own.
constexpr std::size_t kLongestReason = 2048;

// No bytes at all are of no format. Nova makes the image of a server whose disks are volumes active with an upload of
// none, whatever format it declares.
bool HasNoFormat(const inspect::Report& report, const inspect::Policy& policy, bool whole) {
  return whole && report.file_size == 0 && policy.expected_container == "bare";
}

}  // namespace

Error NoMemoryNow() {
  return Error::FromErrno(ENOMEM, "what the image is compressed with takes more memory than is left now")
      .Try("try it again when other uploads have ended");
}

inspect::Policy PolicyFor(const IngestRules& rules, const ImageRecord& image) {
  inspect::Policy policy = rules.policy;
  const std::string& disk = image.disk_format.value_or("");
  const std::string canonical = inspect::CanonicalFormat(disk);
  policy.expected_disk = canonical.empty() ? disk : canonical;
  policy.expected_container = image.container_format.value_or("");
  return policy;
}

inspect::Report Rejudged(inspect::Report report, const IngestRules& rules, const inspect::Policy& policy, bool whole) {
  if (report.verdict != inspect::Verdict::kRefused) return report;
  if (rules.require_format_match && !HasNoFormat(report, policy, whole)) return report;
  inspect::Policy lenient = policy;
  lenient.expected_disk.clear();
  lenient.expected_container = report.container;
  // What the policy objected to comes again, but for the mismatch.
  std::erase_if(report.findings, [](const Finding& finding) { return finding.code.starts_with("policy."); });
  inspect::Judge(report, lenient, whole);
  return report;
}

Error RefusalOf(inspect::Report report, const inspect::Policy& policy, Refusal& refusal) {
  refusal.findings = std::move(report.findings);
  const auto decided = std::ranges::find_if(refusal.findings, [&](const Finding& finding) {
    return report.verdict == inspect::Verdict::kUndecided ? finding.concern == Concern::kUnseen
                                                          : !inspect::Tolerates(policy, finding.concern);
  });
  if (decided == refusal.findings.end()) {
    refusal.code = "ingest.undecided";
    return Error(ErrorKind::kDenied, "the image is refused: nobody can tell what it is (ingest.undecided)");
  }
  refusal.code = decided->code;
  // Most messages tell the value already.
  const bool told = decided->value.empty() || decided->message.find("found") != std::string::npos;
  const std::string found = decided->message + (told ? "" : ": " + decided->value);
  return Error(ErrorKind::kDenied,
               fmt::format("the image is refused: {} ({})", PlainText(found, kLongestReason), decided->code));
}

}  // namespace platter::registry
