#include "formats/format_table.h"

#include <algorithm>
#include <array>
#include <vector>

namespace platter {

#define PLATTER_FORMAT(id)           \
  namespace id {                     \
  extern const FormatDriver kDriver; \
  }
#include "formats/formats.def"
#undef PLATTER_FORMAT

namespace {

#define PLATTER_FORMAT(id) &id::kDriver,
constexpr std::array kFormats = {
#include "formats/formats.def"
};
#undef PLATTER_FORMAT

}  // namespace

std::span<const FormatDriver* const> AllFormats() noexcept { return kFormats; }

const FormatDriver* FindFormat(std::string_view name) noexcept {
  const auto named = [name](const FormatDriver* driver) { return driver->name == name || driver->qemu_name == name; };
  const auto found = std::ranges::find_if(kFormats, named);
  return found == kFormats.end() || name.empty() ? nullptr : *found;
}

Result<const FormatDriver*> ProbeFormat(Storage& storage) {
  const std::uint64_t size = storage.size();
  std::vector<std::byte> head(std::min<std::uint64_t>(size, ProbeInput::kHead));
  std::vector<std::byte> tail(std::min<std::uint64_t>(size, ProbeInput::kTail));
  PLATTER_CHECK(storage.ReadAt(0, head));
  PLATTER_CHECK(storage.ReadAt(size - tail.size(), tail));
  const ProbeInput input{head, tail, size};
  const FormatDriver* best = nullptr;
  Likeness surest = Likeness::kNo;
  for (const FormatDriver* driver : kFormats) {
    const Likeness likeness = driver->probe(input);
    if (likeness <= surest) continue;
    surest = likeness;
    best = driver;
  }
  return best;
}

}  // namespace platter
