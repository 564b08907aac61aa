// Running the inspector on bytes in every way in which bytes can come.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "formats/core/memory_storage.h"
#include "formats/inspect/inspector.h"
#include "tests/inspect/samples.h"

namespace platter::test {

inline inspect::Report InspectStream(const Bytes& bytes, const inspect::Options& options, std::size_t piece) {
  inspect::Inspector inspector(options);
  bool refused = false;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    inspector.Feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    EXPECT_NE(inspector.report().verdict, inspect::Verdict::kAccepted) << "before the end";
    const bool now = inspector.report().verdict == inspect::Verdict::kRefused;
    EXPECT_TRUE(now || !refused) << "refused at first, and not any more at " << at;
    refused = now;
  }
  inspect::Report report = inspector.Finish();
  EXPECT_TRUE(!refused || report.verdict == inspect::Verdict::kRefused) << "refused before the end, but not there";
  return report;
}

inline inspect::Report InspectBytes(const Bytes& bytes, const inspect::Options& options, inspect::Depth depth) {
  auto report = inspect::InspectFile(std::make_shared<MemoryStorage>(options.name, bytes), options, depth);
  EXPECT_TRUE(report.ok()) << report.error().Describe();
  return report.ok() ? std::move(report).value() : inspect::Report{};
}

// A report on one line each thing, for comparing and for messages.
inline std::string Text(const inspect::Report& report) {
  std::string text = std::string(inspect::VerdictName(report.verdict)) + " " + report.format + " (" + report.variant +
                     ") in " + report.container + " holds " + report.content + " size " +
                     std::to_string(report.virtual_size.value_or(0)) + " of " + std::to_string(report.file_size) + "\n";
  for (const Finding& finding : report.findings) {
    text += std::string(SeverityName(finding.severity)) + " " + finding.code + ": " + finding.message + " (" +
            finding.value + ")\n";
  }
  return text;
}

inline const Finding* FindCode(const inspect::Report& report, std::string_view code) {
  const auto found = std::ranges::find(report.findings, code, &Finding::code);
  return found == report.findings.end() ? nullptr : &*found;
}

}  // namespace platter::test
