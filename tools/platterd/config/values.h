// Values: what is set, by section and name, checked against the table of options.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "tools/platterd/config/config_file.h"
#include "tools/platterd/config/option_table.h"

namespace platter::platterd {

// Sections are found whatever the case of their letters, as oslo.config has it; but "DEFAULT" has to be written so.
class Values {
 public:
  // Replaces references ($name), and checks every value that the table knows. kInvalid as Settings has it. `remarks`
  // gets a line for every option without effect.
  static Result<Values> Make(const std::vector<Setting>& given, std::vector<std::string>& remarks);

  // The value, or the standard one. Requires: the table has the option; for a store's, `section` is the store's.
  std::string Text(std::string_view section, std::string_view name) const;
  // `below_zero`: what a negative one stands for, where the table lets it pass.
  std::uint64_t Number(std::string_view section, std::string_view name, std::uint64_t below_zero = 0) const;
  bool Switch(std::string_view section, std::string_view name) const;
  std::vector<std::string> List(std::string_view section, std::string_view name) const;
  std::vector<std::string> Many(std::string_view section, std::string_view name) const;
  bool Has(std::string_view section, std::string_view name) const;
  // For what is wrong with a value in ways that the table does not know.
  Error Wrong(std::string_view section, std::string_view name, std::string_view allowed) const;

 private:
  using Key = std::pair<std::string, std::string>;  // a section, in lower case but for DEFAULT, and a name
  static Key KeyOf(std::string_view section, std::string_view name);
  // Null where it is not set.
  const std::vector<Setting>* Given(std::string_view section, std::string_view name) const;
  const OptionRow* RowOf(std::string_view section, std::string_view name) const;
  const IdleRow* IdleRowOf(std::string_view section, std::string_view name) const;
  bool IsStore(std::string_view section) const;
  Result<std::string> Substituted(const Setting& setting, std::string_view text, int depth) const;
  Result<std::string> Referred(const Setting& setting, std::string_view name, int depth) const;
  Result<> Check(const Setting& setting, const OptionRow& row) const;

  std::map<Key, std::vector<Setting>> set_;
  std::vector<std::string> stores_;
};

// "a, [b], c" -> {"a", "[b]", "c"}: without spaces, empty ones, and a pair of brackets around all.
std::vector<std::string> SplitList(std::string_view text);

}  // namespace platter::platterd
