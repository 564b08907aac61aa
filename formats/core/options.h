// Options by name, as users write them: -o cluster_size=64k,lazy_refcounts=on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"

namespace platter {

enum class OptionType : std::uint8_t { kText, kSize, kNumber, kFlag };

// One option that a format accepts. Tables of these stand in qemu-img's order, which is the order of printing.
struct OptionSpec {
  std::string_view name;
  OptionType type;
  std::string_view help;
  std::string_view default_text = "";  // printed when the user says nothing; "" = not printed
  bool beyond_qemu = false;            // qemu does not have it: unknown to who asks in qemu's dialect
  bool of_host = false;                // about making the file on the host, not about the format in it
};

// Bytes from "512", "64k", "1.5G", "0x200": suffixes b, k, M, G, T, P, E in either case, powers of 1024; `default_unit`
// bytes where no suffix stands. Blanks and a plus sign may stand in front. kInvalid for what is no size, kOutOfRange at
// 2^64 and above.
Result<std::uint64_t> ParseSize(std::string_view text, std::uint64_t default_unit = 1);

// Values that were set, in the order of setting; a later value of one name replaces the earlier.
class OptionValues {
 public:
  // Splits "a=1,b=2": ",," is a comma inside a value; a bare name means "on", and "noNAME" means "off", for flags.
  // kInvalid for a name that `specs` does not have, and for a value that its type does not allow.
  static Result<OptionValues> Parse(std::string_view text, std::span<const OptionSpec> specs);

  // kInvalid as Parse.
  Result<> Set(std::string_view name, std::string_view value, std::span<const OptionSpec> specs);
  // As Parse, adding to what is set.
  Result<> ParseMore(std::string_view text, std::span<const OptionSpec> specs);

  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  // The value as written; empty when not set.
  std::optional<std::string> Text(std::string_view name) const;
  // Requires of all three: the value was accepted by Set with the fitting type.
  std::uint64_t Size(std::string_view name, std::uint64_t otherwise) const;
  std::uint64_t Number(std::string_view name, std::uint64_t otherwise) const;
  bool Flag(std::string_view name, bool otherwise) const;

 private:
  const std::string* Find(std::string_view name) const;

  std::vector<std::pair<std::string, std::string>> values_;
};

// kInvalid, naming the option of a new image that is at fault.
Error RefusedOption(std::string_view option, std::string what);

// "a=1,b=2" as pairs, in order, with ",," undone; a pair without "=" has an empty optional.
std::vector<std::pair<std::string, std::optional<std::string>>> SplitOptionList(std::string_view text);

}  // namespace platter
