#include "formats/qcow/qcow.h"

#include <array>

#include "formats/qcow/layout.h"

namespace platter::qcow {
namespace {

constexpr std::array<std::string_view, 1> kExtensions = {"qcow"};

Likeness Probe(const ProbeInput& input) noexcept {
  if (input.head.size() < 8 || LoadBe<std::uint32_t>(input.head.data()) != kMagic) return Likeness::kNo;
  const auto version = LoadBe<std::uint32_t>(input.head.data() + HeaderLayout::kVersion.offset);
  return version == kVersion ? Likeness::kCertain : Likeness::kNo;
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "qcow",
    .qemu_name = "qcow",
    .title = "QEMU copy-on-write, version 1",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
};

}  // namespace platter::qcow
