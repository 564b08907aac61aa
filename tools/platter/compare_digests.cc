#include "tools/platter/compare_digests.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "convert/hash/guest_digest.h"
#include "tools/platter/digest_list.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/progress.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

enum ExitCode : int { kSame = 0, kDiffer = 1, kCannotRead = 4 };

Result<DigestValue> DigestOf(const DigestComparison& comparison, const NamedChain& disk) {
  Progress progress(comparison.progress && !comparison.quiet, false, disk.chain.virtual_size(), stderr);
  HashOptions options;
  options.algorithms = {comparison.algorithm};
  options.cancel = &CatchInterrupts();
  options.progress = [&progress](std::uint64_t done, std::uint64_t /*total*/) { progress.Update(done); };
  auto digests =
      comparison.guest ? GuestDigests(disk.chain, options) : BlockHashes(disk.chain, comparison.block_size, options);
  progress.Finish(digests.ok());
  return PLATTER_TRY(std::move(digests)).front();
}

}  // namespace

std::optional<DigestComparison> ParseDigestComparison(const Persona& persona, std::string_view text) {
  const std::size_t colon = text.find(':');
  std::vector<DigestAlgorithm> algorithms;
  if (!TakeDigestNames(persona, text.substr(0, colon), algorithms)) return std::nullopt;
  if (algorithms.size() != 1) {
    ComplainUsage(persona, "--digest: disks are compared by one digest");
    return std::nullopt;
  }
  DigestComparison comparison{.algorithm = algorithms.front(), .recorded = {}};
  if (colon == std::string_view::npos) return comparison;
  const auto line = ParseDigestLine(fmt::format("{}  -", text.substr(colon + 1)));
  if (!line || line->hex.size() != 2 * TraitsOf(comparison.algorithm).size) {
    ComplainUsage(persona, fmt::format("--digest: '{}' is no {} digest", text.substr(colon + 1),
                                       TraitsOf(comparison.algorithm).name));
    return std::nullopt;
  }
  comparison.recorded = line->hex;
  return comparison;
}

int CompareDigests(const Persona& persona, const DigestComparison& comparison, std::span<const NamedChain> disks,
                   const SourceWatch& watch) {
  std::string other = comparison.recorded.value_or("");
  bool same = true;
  for (const NamedChain& disk : disks) {
    const auto digest = DigestOf(comparison, disk);
    if (!digest.ok()) {
      const bool cancelled = digest.error().kind() == ErrorKind::kCancelled;
      Complain(persona, cancelled ? ReasonOf(digest.error())
                                  : fmt::format("Error while reading {}: {}", disk.name, ReasonOf(digest.error())));
      return kCannotRead;
    }
    const std::string hex = digest.value().Hex();
    if (!comparison.quiet) PrintText("{}\n", PlainDigestLine(hex, disk.name));
    if (!other.empty() && hex != other) same = false;
    other = hex;
  }
  const auto unchanged = watch.Unchanged();
  if (!unchanged.ok()) {
    Complain(persona, ReasonOf(unchanged.error()));
    return kCannotRead;
  }
  const std::string_view verdict = comparison.recorded ? (same ? "Image is as recorded." : "Image is not as recorded!")
                                   : same              ? "Images are identical."
                                                       : "Images differ!";
  if (!comparison.quiet) PrintText("{}\n", verdict);
  return same ? kSame : kDiffer;
}

}  // namespace platter::cli
