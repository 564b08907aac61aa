// The streaming inspector: the first bytes of the input say how the rest is split, and which policy counts. The report
// does not depend on the split, nor does the verdict on whether the file streamed by or lay there whole.
#include "formats/inspect/inspector.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

using inspect::Depth;
using inspect::Report;
using inspect::Verdict;

// Of files up to this size a stream holds everything.
constexpr std::uint64_t kHeldWhole = inspect::StreamWindow::kHead;
constexpr std::uint64_t kLargest = std::uint64_t{2} << 20;

std::string Text(const Report& report) {
  std::string text = std::string(inspect::VerdictName(report.verdict)) + " " + report.format + " " + report.variant +
                     " " + report.content + " " + std::to_string(report.virtual_size.value_or(1)) + " " +
                     report.container + " " + std::to_string(report.expected_length.value_or(1)) + " " +
                     std::to_string(report.file_size);
  for (const inspect::DiskReport& disk : report.disks) {
    text += "; " + disk.id + " " + disk.file + " " + disk.format + " " + std::to_string(disk.virtual_size.value_or(1));
  }
  for (const Finding& finding : report.findings) text += "; " + finding.code + " " + finding.value;
  return text;
}

constexpr std::array<std::string_view, 7> kContainers = {"ova", "compressed", "docker", "bare", "ami", "aki", "ari"};

// What a disk may be declared to be.
std::vector<std::string> Declarable(const inspect::Policy& policy) {
  std::vector<std::string> formats = {"ami", "aki", "ari"};
  formats.insert(formats.end(), policy.allowed_formats.begin(), policy.allowed_formats.end());
  return formats;
}

inspect::Policy ChoosePolicy(InputReader& input) {
  inspect::Policy policy;
  const unsigned flags = input.Byte();
  policy.allow_references = (flags & 1) != 0;
  policy.allow_ambiguous = (flags & 2) != 0;
  policy.allow_truncated = (flags & 4) != 0;
  policy.allow_encrypted = (flags & 8) != 0;
  if ((flags & 16) != 0) policy.max_virtual_size = std::uint64_t{1} << 20;
  if ((flags & 32) != 0) policy.max_ratio = 100;
  if ((flags & 64) != 0) policy.expected_disk = input.Pick(Declarable(policy));
  if ((flags & 128) != 0) policy.expected_container = input.Pick(kContainers);
  return policy;
}

// In pieces of a few lengths in turn; none: all at once.
Report Stream(std::span<const std::byte> bytes, const inspect::Options& options,
              const std::vector<std::size_t>& pieces) {
  inspect::Inspector inspector(options);
  std::string refused;
  for (std::size_t turn = 0; !bytes.empty(); ++turn) {
    const std::size_t wanted = pieces.empty() ? bytes.size() : pieces[turn % pieces.size()];
    const auto piece = bytes.first(std::min(wanted, bytes.size()));
    inspector.Feed(piece);
    bytes = bytes.subspan(piece.size());
    const Verdict verdict = inspector.report().verdict;
    Promise(verdict != Verdict::kAccepted, "nothing is accepted before its end");
    if (refused.empty() && verdict == Verdict::kRefused) refused = Text(inspector.report());
  }
  Report report = inspector.Finish();
  Promise(refused.empty() || report.verdict == Verdict::kRefused, "what was refused stays refused",
          "\n" + refused + "\n" + Text(report));
  return report;
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  const inspect::Options options{.policy = ChoosePolicy(reader)};
  std::vector<std::size_t> pieces;
  for (std::size_t count = reader.Below(4); count > 0; --count) pieces.push_back(reader.Word() % 70000 + 64);
  const auto file = SparseStorage::FromInput(reader.Rest());
  if (file->size() > kLargest) return;
  std::vector<std::byte> bytes(file->size());
  Promise(file->ReadAt(0, bytes).ok(), "the input can be read");

  const Report whole = Stream(bytes, options, {});
  const std::string text = Text(whole);
  const std::string split = Text(Stream(bytes, options, pieces));
  Promise(split == text, "the report does not depend on the pieces", "\n" + split + "\n" + text);
  const auto lying = inspect::InspectFile(file, options, Depth::kStreaming);
  const auto walked = inspect::InspectFile(file, options, Depth::kFull);
  Promise(lying.ok() && walked.ok(), "a file in memory can be inspected");
  if (bytes.size() <= kHeldWhole) {
    const std::string other = Text(lying.value());
    Promise(other == text, "a stream that is held whole is judged as the file is", "\n" + other + "\n" + text);
  }
  const bool raw = lying.value().format == "raw" && lying.value().container == "bare";
  if (raw && lying.value().verdict == Verdict::kAccepted) {
    Promise(walked.value().verdict == Verdict::kAccepted, "bare bytes have no tables to walk",
            "\n" + Text(lying.value()) + "\n" + Text(walked.value()));
  }
  Promise(file->changes() == 0, "an inspection changes nothing");
}

}  // namespace platter::fuzz
