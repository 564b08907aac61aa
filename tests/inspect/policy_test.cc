// Policies: their text, and what each value changes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/inspect/policy.h"

namespace platter::test {
namespace {

using inspect::Policy;

TEST(ReadPolicy, TakesEveryKey) {
  Policy policy;
  const auto read = inspect::ReadPolicy(
      "# of the staging service\n[policy]\nexpect_disk = vpc\nexpect_container=bare\nallow_formats = qcow2, "
      "raw,parallels\n"
      "max_virtual_size = 2T\nmax_ratio = 1000\nallow_references = yes\nallow_ambiguous = true\nallow_truncated=on\n"
      "allow_encrypted = 1\n",
      policy);
  ASSERT_TRUE(read.ok()) << read.error().Describe();
  EXPECT_EQ(policy.expected_disk, "vhd");
  EXPECT_EQ(policy.expected_container, "bare");
  EXPECT_EQ(policy.allowed_formats, (std::vector<std::string>{"qcow2", "raw", "ploop"}));
  EXPECT_EQ(policy.max_virtual_size, std::uint64_t{2} << 40);
  EXPECT_EQ(policy.max_ratio, 1000U);
  EXPECT_TRUE(policy.allow_references && policy.allow_ambiguous && policy.allow_truncated && policy.allow_encrypted);
}

TEST(ReadPolicy, LeavesTheRestAsItIs) {
  Policy policy;
  policy.max_ratio = 7;
  ASSERT_TRUE(inspect::ReadPolicy("allow_truncated = no\n", policy).ok());
  EXPECT_EQ(policy.max_ratio, 7U);
  EXPECT_EQ(policy.allowed_formats, Policy().allowed_formats);
}

struct WrongPolicy {
  std::string text;
  const char* message;
};

TEST(ReadPolicy, RefusesByName) {
  const WrongPolicy kWrong[] = {
      {"expect_disk = floppy", "field expect_disk: found floppy"},
      {"expect_container = crate", "field expect_container: found crate, allowed: bare, ami, aki, ari, ova"},
      {"expect_container =", "field expect_container"},
      {"allow_formats = qcow2,,raw", "field allow_formats"},
      {"allow_formats = raw, ami", "field allow_formats: found ami"},
      {"max_virtual_size = much", "field max_virtual_size: found much"},
      {"max_virtual_size = 17179869184G", "field max_virtual_size"},
      {"max_ratio = -1", "field max_ratio: found -1"},
      {"allow_references = maybe", "field allow_references: found maybe"},
      {"colour = red", "field colour"},
      {"[sizes]\nmax_ratio = 7", "found sizes, allowed: policy"},
      {"just words", "field line 1"},
      {"# " + std::string(197, 'x') + "allow_references=yes", "field line 1, allowed: up to 198 bytes"},
      {"allow_formats = qcow2\n raw", "field line 2"},
      {"max_ratio = 7\n" + std::string(1, '\0') + "\nmax_virtual_size = 1G", "field line 2"},
  };
  for (const auto& [text, message] : kWrong) {
    Policy policy;
    const auto read = inspect::ReadPolicy(text, policy);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().kind(), ErrorKind::kInvalid);
    EXPECT_NE(read.error().Describe().find(message), std::string::npos) << read.error().Describe();
  }
}

struct Tolerance {
  Concern concern;
  bool Policy::*allows;  // null: nothing does
};

TEST(Judge, RefusesWhatThePolicyDoesNotAllow) {
  const Tolerance kTolerances[] = {
      {Concern::kReference, &Policy::allow_references},
      {Concern::kAmbiguous, &Policy::allow_ambiguous},
      {Concern::kTruncated, &Policy::allow_truncated},
      {Concern::kEncrypted, &Policy::allow_encrypted},
      {Concern::kCorrupt, nullptr},
      {Concern::kUnsupported, nullptr},
      {Concern::kMismatch, nullptr},
      {Concern::kSize, nullptr},
  };
  for (const auto& [concern, allows] : kTolerances) {
    inspect::Report report{.format = "qcow2"};
    report.Add("a.code", concern, "a message");
    inspect::Report same = report;
    inspect::Judge(report, Policy(), true);
    EXPECT_EQ(report.verdict, inspect::Verdict::kRefused);
    Policy lenient;
    lenient.allow_references = lenient.allow_ambiguous = lenient.allow_truncated = lenient.allow_encrypted = true;
    inspect::Judge(same, lenient, true);
    EXPECT_EQ(same.verdict, allows == nullptr ? inspect::Verdict::kRefused : inspect::Verdict::kAccepted);
  }
}

TEST(Judge, AcceptsNoUnknownSizeWhereSizesAreLimited) {
  const Policy kLimited[] = {{.max_virtual_size = 1}, {.max_ratio = 1}};
  for (const Policy& policy : kLimited) {
    inspect::Report report{.format = "qcow2"};
    inspect::Judge(report, policy, true);
    EXPECT_EQ(report.verdict, inspect::Verdict::kUndecided);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].code, "policy.size_unknown");
  }
}

TEST(Judge, AcceptsOnlyWhatWasSeenWhole) {
  inspect::Report report{.format = "qcow2"};
  inspect::Judge(report, Policy(), false);
  EXPECT_EQ(report.verdict, inspect::Verdict::kUndecided);
  inspect::Judge(report, Policy(), true);
  EXPECT_EQ(report.verdict, inspect::Verdict::kAccepted);
  report.Add("qcow2.unseen", Concern::kUnseen, "a message");
  inspect::Judge(report, Policy(), true);
  EXPECT_EQ(report.verdict, inspect::Verdict::kUndecided);
}

}  // namespace
}  // namespace platter::test
