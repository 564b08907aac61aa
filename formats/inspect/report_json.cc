#include "formats/inspect/report_json.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace platter::inspect {
namespace {

template <class Values, class Print>
std::string ListOf(const Values& values, Print print) {
  std::vector<std::string> list;
  std::ranges::transform(values, std::back_inserter(list), print);
  return JsonList(list);
}

std::string ToJson(const Finding& finding) {
  JsonObject json;
  json.Text("code", finding.code).Text("severity", SeverityName(finding.severity)).Number("offset", finding.offset);
  json.Text("value", finding.value).Text("message", finding.message);
  return json.Json("cve", ListOf(finding.cves, JsonString)).Finish();
}

std::string ToJson(const DiskReport& disk) {
  JsonObject json;
  json.Text("id", disk.id).Text("file", disk.file).Text("format", disk.format).Text("variant", disk.variant);
  return json.Number("virtual_size", disk.virtual_size).Finish();
}

}  // namespace

JsonObject ToJsonObject(const Report& report) {
  JsonObject json;
  json.Text("schema", kSchema).Text("verdict", VerdictName(report.verdict));
  json.Text("format", report.format).Json("formats", ListOf(report.formats, JsonString));
  json.Text("variant", report.variant).Text("container", report.container).Text("content", report.content);
  if (!report.disks.empty()) {
    json.Json("disks", ListOf(report.disks, [](const DiskReport& disk) { return ToJson(disk); }));
  }
  json.Number("virtual_size", report.virtual_size).Number("file_size", report.file_size);
  json.Number("expected_length", report.expected_length).Text("confidence", ConfidenceName(report.confidence));
  return json.Json("findings", ListOf(report.findings, [](const Finding& finding) { return ToJson(finding); }));
}

std::string ToJson(const Report& report) { return ToJsonObject(report).Finish(); }

}  // namespace platter::inspect
