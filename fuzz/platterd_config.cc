// Configuration files of platterd, up to the settings.
#include <string>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "tools/platterd/config/config_file.h"
#include "tools/platterd/config/settings.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  const std::string text(InputReader(input).Text());
  const auto given = platterd::ReadConfig(text, "file");
  if (!given.ok()) return Told(given.error());
  for (const platterd::Setting& setting : given.value()) {
    Promise(!setting.section.empty() && !setting.name.empty(), "a setting has a section and a name");
    Promise(setting.line > 0, "and a line");
  }
  const auto settings = platterd::MakeSettings(given.value(), false, [](const char*) { return std::string("/state"); });
  if (!settings.ok()) return Told(settings.error());
  Promise(!settings.value().stores.empty() || settings.value().default_store == "file", "there is a store for uploads");
  Promise(settings.value().api.limit_max > 0, "a page has room");
}

}  // namespace platter::fuzz
