#include "registry-core/ingest/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "formats/content.h"
#include "formats/core/chain.h"
#include "formats/core/json.h"
#include "formats/format_table.h"

namespace platter::registry {
namespace {

// Bytes of what is told of a finding: names and values in it are the image's own.
constexpr std::size_t kLongestReason = 2048;

// No bytes at all are of no format. Nova makes the image of a server whose disks are volumes active with an upload of
// none, whatever format it declares.
bool HasNoFormat(const inspect::Report& report, const inspect::Policy& policy, bool whole) {
  return whole && report.file_size == 0 && policy.expected_container == "bare";
}

constexpr std::string_view kLuks = "luks";
constexpr std::string_view kEncrypted = "luks.encrypted";

bool HasLuks(const inspect::Report& report) { return std::ranges::find(report.formats, kLuks) != report.formats.end(); }

// Programs that do not know LUKS read the same bytes as a disk: there is none in what Cinder has encrypted.
Result<> LookBesideLuks(const std::shared_ptr<Storage>& file, inspect::Report& report) {
  const auto raw = PLATTER_TRY(FindFormat("raw")->open(file, OpenContext()));
  const std::string_view content = PLATTER_TRY(TypeOfContent(Chain({raw})));
  if (content.empty()) return Done{};
  report.Add("content.ambiguous", Concern::kAmbiguous,
             "the file is an encrypted disk, and one with a partition table, a file system or a kernel as well",
             fmt::format("luks, {}", content));
  return Done{};
}

}  // namespace

Error NoMemoryNow() {
  return Error::FromErrno(ENOMEM, "what the image is compressed with takes more memory than is left now")
      .Try("try it again when other uploads have ended");
}

Declared DeclaredBy(const IngestRules& rules, const ImageRecord& image) {
  Declared declared{rules.policy};
  const std::string& disk = image.disk_format.value_or("");
  const std::string canonical = inspect::CanonicalFormat(disk);
  declared.policy.expected_disk = canonical.empty() ? disk : canonical;
  declared.policy.expected_container = image.container_format.value_or("");
  const auto key = image.properties.find("cinder_encryption_key_id");
  declared.encrypted_volume =
      disk == "raw" && image.container_format == "bare" && key != image.properties.end() && !key->second.empty();
  return declared;
}

inspect::Report Rejudged(inspect::Report report, const IngestRules& rules, const Declared& declared, bool whole) {
  if (report.verdict != inspect::Verdict::kRefused) return report;
  const bool luks = declared.encrypted_volume && HasLuks(report);
  const bool any_format = !rules.require_format_match || HasNoFormat(report, declared.policy, whole);
  if (!luks && !any_format) return report;
  inspect::Policy lenient = declared.policy;
  if (any_format) {
    lenient.expected_disk.clear();
    lenient.expected_container = report.container;
  }
  if (luks) {
    std::erase_if(report.findings, [](const Finding& finding) { return finding.code == kEncrypted; });
    if (report.formats.size() == 1) {
      lenient.expected_disk = kLuks;
      lenient.allowed_formats.emplace_back(kLuks);
      if (whole) report.virtual_size = report.file_size;
    }
  }
  // What the policy objected to comes again, but for that.
  std::erase_if(report.findings, [](const Finding& finding) { return finding.code.starts_with("policy."); });
  inspect::Judge(report, lenient, whole);
  return report;
}

Result<inspect::Report> JudgeStored(const std::shared_ptr<Storage>& file, const IngestRules& rules,
                                    const Declared& declared, MemoryBudget* memory) {
  inspect::Report report = PLATTER_TRY(
      inspect::InspectFile(file, {.policy = declared.policy, .unpacking = {.memory = memory}}, inspect::Depth::kFull));
  if (declared.encrypted_volume && HasLuks(report)) PLATTER_CHECK(LookBesideLuks(file, report));
  return Rejudged(std::move(report), rules, declared, true);
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
