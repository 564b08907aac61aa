// Recognition among all formats in both dialects, and whatever format it finds; and the formats that are described and
// not read, each on every input.
#include "formats/format_table.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto file = SparseStorage::FromInput(input);
  for (const Dialect dialect : {Dialect::kPlatter, Dialect::kQemu}) {
    const auto found = ProbeFormat(*file, dialect);
    Promise(found.ok() && found.value() != nullptr, "every file has a format, raw at least");
    WalkOpened(*found.value(), file, {.dialect = dialect});
  }
  for (const FormatDriver* driver : AllFormats()) {
    if (driver->described_only) WalkOpened(*driver, file, {});
  }
}

}  // namespace platter::fuzz
