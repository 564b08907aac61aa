#include "formats/raw/raw.h"

#include <array>

namespace platter::raw {
namespace {

constexpr std::array<std::string_view, 2> kExtensions = {"raw", "img"};

constexpr std::array kOpenOptions = {
    OptionSpec{"offset", OptionType::kSize, "where the disk starts in the file, in bytes"},
    OptionSpec{"size", OptionType::kSize, "how much of the file is the disk, in bytes"},
};

constexpr std::array kCreateOptions = {
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
    OptionSpec{.name = "nocow",
               .type = OptionType::kFlag,
               .help = "Turn off copy-on-write (valid only on btrfs)",
               .of_host = true},
    OptionSpec{.name = "preallocation",
               .type = OptionType::kText,
               .help = "Preallocation mode (allowed values: off, falloc, full)",
               .of_host = true},
    OptionSpec{.name = "extent_size_hint",
               .type = OptionType::kSize,
               .help = "Extent size hint for the image file, 0 to disable",
               .of_host = true},
};

Likeness Probe(const ProbeInput& /*input*/) noexcept { return Likeness::kMaybe; }

bool CanStream(const OptionValues& options) noexcept {
  const auto preallocation = options.Text("preallocation");
  return !preallocation || *preallocation == "off";
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "raw",
    .qemu_name = "raw",
    .title = "raw disk",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
    .open_options = kOpenOptions,
    .create = Create,
    .create_options = kCreateOptions,
    .can_stream = CanStream,
    .update = Update,
    .measure = Measure,
};

}  // namespace platter::raw
