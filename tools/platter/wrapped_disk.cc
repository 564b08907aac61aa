#include "tools/platter/wrapped_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "formats/format_table.h"
#include "tools/platter/volume_source.h"

namespace platter::cli {
namespace {

std::string ListOf(const std::vector<WrappedDisk>& disks) {
  std::string list;
  for (std::size_t at = 0; at < disks.size(); ++at) {
    const std::string file = disks[at].file.empty() ? "without a file" : PrintableName(disks[at].file);
    list += fmt::format("{}{} ({}, {})", at == 0 ? "" : ", ", at + 1, PrintableName(disks[at].id), file);
  }
  return list;
}

std::optional<std::size_t> ByNumber(const std::string& text, std::size_t count) {
  std::size_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool fits = failure == std::errc() && end == text.data() + text.size() && number >= 1 && number <= count;
  return fits ? std::optional(number - 1) : std::nullopt;
}

}  // namespace

Result<const ContainerDriver*> ContainerOf(const std::shared_ptr<Storage>& storage, const ContainerDriver* wanted) {
  if (wanted != nullptr) return wanted;
  const FormatDriver* format = PLATTER_TRY(ProbeFormat(*storage));
  if (format->name != "raw") return static_cast<const ContainerDriver*>(nullptr);
  return ProbeContainer(storage);
}

Result<std::size_t> ChooseDisk(const Container& container, const std::optional<std::string>& wanted) {
  const std::vector<WrappedDisk>& disks = container.info().disks;
  if (!container.info().layers.empty()) {
    return Error(ErrorKind::kInvalid, "a container image has layers, and no disk");
  }
  if (disks.empty()) return Error(ErrorKind::kInvalid, "there is no disk in it");
  if (!wanted) {
    if (disks.size() == 1) return std::size_t{0};
    return Error(ErrorKind::kInvalid, "there are several disks in it: say which with --disk").Allowed(ListOf(disks));
  }
  for (const auto name : {&WrappedDisk::id, &WrappedDisk::file}) {
    const auto found = std::ranges::find(disks, *wanted, name);
    if (found != disks.end()) return static_cast<std::size_t>(found - disks.begin());
  }
  if (const auto number = ByNumber(*wanted, disks.size())) return *number;
  return Error(ErrorKind::kInvalid, "no disk of that number or name").Found(*wanted).Allowed(ListOf(disks));
}

}  // namespace platter::cli
