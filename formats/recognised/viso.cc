// VISO, VirtualBox's virtual ISO: a command line that names files of the host, out of which VirtualBox makes a volume
// (VISO.cpp, visoProbeWorker). No file name extension is asked for: the text alone tells it.
#include <algorithm>

#include "formats/recognised/described_image.h"

namespace platter::viso {
namespace {

constexpr std::size_t kProbed = 1024;  // bytes
constexpr std::string_view kBlanks = " \t\n\v\f\r";
constexpr std::string_view kMarker = "--iprt-iso-maker-file-marker";

// What stands behind the marker; nullopt without one.
std::optional<std::string_view> Arguments(std::span<const std::byte> head) noexcept {
  std::string_view text(reinterpret_cast<const char*>(head.data()), std::min(head.size(), kProbed));
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  if (!text.starts_with(kMarker)) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_of(kBlanks), text.size()));
  text = text.substr(0, text.find('\0'));
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

Likeness Probe(const ProbeInput& input) noexcept { return Arguments(input.head) ? Likeness::kCertain : Likeness::kNo; }

Result<std::string> ReadArguments(Storage& storage) {
  std::vector<std::byte> head(std::min<std::uint64_t>(storage.size(), kProbed));
  PLATTER_CHECK(storage.ReadAt(0, head));
  const auto arguments = Arguments(head);
  if (!arguments) return Error(ErrorKind::kNotThisFormat, "not a virtual ISO").At("viso", "marker", 0);
  return std::string(*arguments);
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  PLATTER_TRY(ReadArguments(*storage));
  if (context.contents) {
    return recognised::NotRead("viso", "make a volume of its files with platter create -f iso --from");
  }
  return std::shared_ptr<Image>(std::make_shared<recognised::DescribedImage>("viso", std::move(storage), ImageInfo{}));
}

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
  recognised::AddReference(inspection, "viso.files", PLATTER_TRY(ReadArguments(*storage)),
                           "the volume is made of files of the host");
  return Done{};
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "viso",
    .qemu_name = "",
    .title = "VirtualBox virtual ISO",
    .probe = Probe,
    .open = Open,
    .described_only = true,
    .inspect = Inspect,
};

}  // namespace platter::viso
