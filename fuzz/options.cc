// -o, --image-opts and sizes. The first byte chooses what the rest is, and the driver whose options count.
#include <string>

#include "formats/core/options.h"
#include "formats/format_table.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "tools/platter/human_size.h"
#include "tools/platter/image_options.h"

namespace platter::fuzz {
namespace {

void ReadValue(const OptionValues& values, const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kText:
      return (void)values.Text(spec.name);
    case OptionType::kSize:
      return (void)values.Size(spec.name, 0);
    case OptionType::kNumber:
      return (void)values.Number(spec.name, 0);
    case OptionType::kFlag:
      return (void)values.Flag(spec.name, false);
  }
}

void ParseOptions(std::span<const OptionSpec> specs, std::string_view text) {
  (void)SplitOptionList(text);
  const auto values = OptionValues::Parse(text, specs);
  if (!values.ok()) return Told(values.error());
  std::string list;
  for (const OptionSpec& spec : specs) {
    if (!values.value().Has(spec.name)) continue;
    ReadValue(values.value(), spec);
    for (const char c : std::string(spec.name) + "=" + values.value().Text(spec.name).value()) {
      list += c == ',' ? std::string(",,") : std::string(1, c);
    }
    list += ',';
  }
  if (!list.empty()) list.pop_back();
  const auto again = OptionValues::Parse(list, specs);
  Promise(again.ok(), "what was accepted is accepted when it is written again", list);
  for (const OptionSpec& spec : specs) {
    Promise(again.value().Text(spec.name) == values.value().Text(spec.name), "and means the same", list);
  }
}

void ParseNumber(std::string_view text) {
  for (const std::uint64_t unit : {std::uint64_t{1}, std::uint64_t{1} << 20}) {
    const auto size = ParseSize(text, unit);
    if (!size.ok()) {
      Told(size.error());
      continue;
    }
    Promise(ParseSize(std::to_string(size.value())).value() == size.value(), "a size in bytes is that size");
    Promise(!cli::HumanSize(size.value()).empty(), "a size can be told");
  }
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  const std::size_t choice = reader.Byte();
  const auto formats = AllFormats();
  const FormatDriver& driver = *formats[choice / 5 % formats.size()];
  switch (choice % 5) {
    case 0:
      return ParseOptions(driver.create_options, reader.Text());
    case 1:
      return ParseOptions(driver.open_options, reader.Text());
    case 2:
      return ParseOptions(driver.author_options, reader.Text());
    case 3:
      return ParseNumber(reader.Text());
    default:
      break;
  }
  for (const Dialect dialect : {Dialect::kPlatter, Dialect::kQemu}) {
    const auto options = cli::ParseImageOptions(reader.Text(), dialect);
    if (!options.ok()) Told(options.error());
  }
}

}  // namespace platter::fuzz
