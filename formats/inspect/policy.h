// Policy: what a service is willing to take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/inspect/report.h"

namespace platter::inspect {

struct Policy {
  std::string expected_disk = "";       // a format's name, ami, aki or ari; "": whatever is allowed
  std::string expected_container = "";  // a container's name, ami, aki or ari; "": bare
  // What may be taken when nothing more is said: the formats that the product reads whole.
  std::vector<std::string> allowed_formats = {"raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "iso", "ploop"};
  std::optional<std::uint64_t> max_virtual_size = {};  // guest bytes
  std::optional<std::uint64_t> max_ratio = {};         // of the virtual size to the file's size
  bool allow_references = false;
  bool allow_ambiguous = false;
  bool allow_truncated = false;
  bool allow_encrypted = false;
};

// Sets one value by its name in a policy file and, with dashes, on a command line: expect_disk, expect_container,
// allow_formats (a list, commas between), max_virtual_size (bytes, or with k, M, G, T), max_ratio, allow_references,
// allow_ambiguous, allow_truncated, allow_encrypted (yes or no). kInvalid naming the key.
Result<> SetPolicyValue(Policy& policy, std::string_view key, std::string_view value);

// Lines "key = value", in a section [policy] or in none; comments start with # or ;. kInvalid for every other section,
// key or value. What the text does not say stays as it is in `policy`.
Result<> ReadPolicy(const std::string& text, Policy& policy);

// The format that `name` means: "vpc" is vhd, "parallels" ploop; "" for a name that nobody knows.
std::string CanonicalFormat(std::string_view name);

// Whether findings of that concern are no reason to refuse.
bool Tolerates(const Policy& policy, Concern concern) noexcept;

// Adds what the policy objects to (codes policy.*), and sets the verdict. `whole`: the file has been seen to its end;
// otherwise the verdict is kRefused where nothing that follows can change it, and kUndecided.
void Judge(Report& report, const Policy& policy, bool whole);

}  // namespace platter::inspect
