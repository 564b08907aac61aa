#include "tools/platter/option_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/format_table.h"
#include "tools/platter/message.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

std::string_view TypeName(OptionType type) {
  switch (type) {
    case OptionType::kText:
      return "str";
    case OptionType::kSize:
      return "size";
    case OptionType::kNumber:
      return "num";
    case OptionType::kFlag:
      return "bool (on/off)";
  }
  return "";
}

std::string DoubleCommas(std::string_view text) {
  std::string doubled;
  for (const char letter : text) doubled.append(letter == ',' ? 2 : 1, letter);
  return doubled;
}

std::string ValueText(const OptionSpec& spec, const OptionValues& options) {
  switch (spec.type) {
    case OptionType::kSize:
      return std::to_string(options.Size(spec.name, 0));
    case OptionType::kNumber:
      return std::to_string(options.Number(spec.name, 0));
    case OptionType::kFlag:
      return options.Flag(spec.name, false) ? "on" : "off";
    case OptionType::kText:
      break;
  }
  return DoubleCommas(options.Text(spec.name).value_or(""));
}

}  // namespace

bool AddOptionList(const Persona& persona, std::string& list, std::string_view text) {
  const std::size_t last = text.find_last_not_of(',');
  const bool empty = last == std::string_view::npos;
  const std::size_t trailing = empty ? text.size() : text.size() - last - 1;
  const std::size_t leading = empty ? text.size() : text.find_first_not_of(',');
  if (text.empty() || trailing % 2 != 0 || leading % 2 != 0) {
    Complain(persona, fmt::format("Invalid option list: {}", text));
    return false;
  }
  if (!list.empty()) list += ',';
  list += text;
  return true;
}

std::vector<OptionSpec> CreateOptionsFor(const Persona& persona, const FormatDriver& driver) {
  std::vector<OptionSpec> specs(driver.create_options.begin(), driver.create_options.end());
  if (persona.as_qemu) std::erase_if(specs, &OptionSpec::beyond_qemu);
  return specs;
}

Result<> NameBackingFormat(const Persona& persona, OptionValues& options, std::span<const OptionSpec> specs) {
  const std::string name = options.Text("backing_fmt").value_or("");
  const FormatDriver* driver = FindFormat(name, persona.dialect());
  if (driver == nullptr || driver->qemu_name == name) return Done{};
  if (!driver->qemu_name.empty()) return options.Set("backing_fmt", driver->qemu_name, specs);
  return RefusedOption("backing_fmt", "qemu could not open the image: it has no word for this format of a backing file")
      .Found(name)
      .Allowed("raw, where the file holds the disk as it is");
}

bool AsksForHelp(std::string_view list) {
  const auto options = SplitOptionList(list);
  return std::ranges::any_of(
      options, [](const auto& option) { return !option.second && (option.first == "help" || option.first == "?"); });
}

void PrintOptionHelp(const Persona& persona, const FormatDriver& driver, bool with_file_name) {
  std::vector<OptionSpec> specs = CreateOptionsFor(persona, driver);
  if (!with_file_name) std::erase_if(specs, &OptionSpec::of_host);
  std::ranges::sort(specs, {}, &OptionSpec::name);
  if (with_file_name) {
    PrintText("Supported options:\n");
  } else {
    PrintText("Supported {} options:\n", persona.FormatName(driver));
  }
  for (const OptionSpec& spec : specs) {
    PrintText("  {:<22} - {}\n", fmt::format("{}=<{}>", spec.name, TypeName(spec.type)), spec.help);
  }
  if (with_file_name) return;
  PrintText("\nThe protocol level may support further options.\n");
  PrintText("Specify the target filename to include those options.\n");
}

std::string DescribeOptions(const Persona& persona, const FormatDriver& driver, const OptionValues& options) {
  std::string text;
  for (const OptionSpec& spec : CreateOptionsFor(persona, driver)) {
    const std::string value = options.Has(spec.name) ? ValueText(spec, options) : std::string(spec.default_text);
    if (!value.empty() || options.Has(spec.name)) text += fmt::format(" {}={}", spec.name, value);
  }
  return text;
}

}  // namespace platter::cli
