#include "formats/format_table.h"

#include <algorithm>
#include <array>
#include <vector>

namespace platter {

#define PLATTER_FORMAT(id)           \
  namespace id {                     \
  extern const FormatDriver kDriver; \
  }
#define PLATTER_RECOGNISED(id) PLATTER_FORMAT(id)
#include "formats/formats.def"
#undef PLATTER_FORMAT

namespace {

#define PLATTER_FORMAT(id) &id::kDriver,
constexpr std::array kFormats = {
#include "formats/formats.def"
};
#undef PLATTER_RECOGNISED
#undef PLATTER_FORMAT

Likeness LikenessOf(const FormatDriver& driver, const ProbeInput& input, Dialect dialect) noexcept {
  if (dialect == Dialect::kPlatter) return driver.probe(input);
  if (driver.qemu_name.empty()) return Likeness::kNo;
  return driver.qemu_probe != nullptr ? driver.qemu_probe(input) : driver.probe(input);
}

}  // namespace

std::span<const FormatDriver* const> AllFormats() noexcept { return kFormats; }

const FormatDriver* FindFormat(std::string_view name, Dialect dialect) noexcept {
  const auto named = [&](const FormatDriver* driver) {
    return driver->qemu_name == name || (dialect == Dialect::kPlatter && driver->name == name);
  };
  const auto found = std::ranges::find_if(kFormats, named);
  return found == kFormats.end() || name.empty() ? nullptr : *found;
}

const FormatDriver* FindHinted(std::string_view name, Dialect dialect) noexcept {
  constexpr std::array<std::string_view, 3> kFiles = {"file", "host_device", "host_cdrom"};
  return FindFormat(std::ranges::find(kFiles, name) == kFiles.end() ? name : "raw", dialect);
}

Result<const FormatDriver*> ProbeFormat(Storage& storage, Dialect dialect) {
  const std::uint64_t size = storage.size();
  std::vector<std::byte> head(ProbeInput::HeadOf(size));
  std::vector<std::byte> tail(std::min<std::uint64_t>(size, ProbeInput::kTail));
  PLATTER_CHECK(storage.ReadPadded(0, head));
  PLATTER_CHECK(storage.ReadAt(size - tail.size(), tail));
  const ProbeInput input{head, tail, size};
  const FormatDriver* best = nullptr;
  Likeness surest = Likeness::kNo;
  for (const FormatDriver* driver : kFormats) {
    const Likeness likeness = LikenessOf(*driver, input, dialect);
    if (likeness <= surest) continue;
    surest = likeness;
    best = driver;
  }
  return best;
}

}  // namespace platter
