// What an inspection found, and its verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/finding.h"

namespace platter::inspect {

enum class Verdict : std::uint8_t { kAccepted, kRefused, kUndecided };
std::string_view VerdictName(Verdict verdict) noexcept;  // "accepted", "refused", "undecided"

// How sure the format is.
enum class Confidence : std::uint8_t {
  kGuess,    // no format's mark was found: raw, as far as anyone can tell
  kLikely,   // a mark was found, and what it leads to could not be read
  kCertain,  // a mark was found, and the structures behind it parse; or raw, with content that says what it is
};
std::string_view ConfidenceName(Confidence confidence) noexcept;

// A disk in a container.
struct DiskReport {
  std::string id = {};
  std::string file = {};    // of the container, untrusted
  std::string format = {};  // FormatDriver::name; "" while its bytes have not been seen
  std::string variant = {};
  std::optional<std::uint64_t> virtual_size = {};  // guest bytes
  std::optional<std::uint64_t> capacity = {};      // guest bytes that the container claims
};

struct Report {
  Verdict verdict = Verdict::kUndecided;
  std::string format = {};                // FormatDriver::name, "vhd" and "ploop" too; "" while nothing is known
  std::vector<std::string> formats = {};  // all that the bytes carry the mark of, surest first; empty for raw
  std::string variant = {};               // "dynamic", "streamOptimized"
  std::string container = "bare";
  std::vector<DiskReport> disks = {};  // of a container; `format` and what follows it are then those of the first one
  std::string content = {};            // of raw bytes: "ami", "aki", "ari", "disk", or ""
  std::optional<std::uint64_t> virtual_size = {};     // guest bytes; of a container, those of all its disks
  std::uint64_t file_size = 0;                        // host bytes; what has arrived so far
  std::optional<std::uint64_t> expected_length = {};  // host bytes of the whole file at least, where the format says
  Confidence confidence = Confidence::kGuess;
  std::vector<Finding> findings = {};

  void Add(std::string code, Concern concern, std::string message, std::string value = "");
};

}  // namespace platter::inspect
