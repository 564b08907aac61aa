#include "formats/ploop/ploop.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/ploop/bundle.h"
#include "formats/ploop/check.h"
#include "formats/ploop/create_options.h"
#include "formats/ploop/inspect.h"
#include "formats/ploop/measure.h"
#include "formats/ploop/reader.h"
#include "formats/ploop/updater.h"
#include "formats/ploop/writer.h"

namespace platter::ploop {
namespace {

constexpr std::array<std::string_view, 2> kExtensions = {"hdd", "hds"};

Likeness ProbeFile(const ProbeInput& input) noexcept {
  if (input.head.size() < HeaderLayout::kSize) return Likeness::kNo;
  const std::string_view magic(reinterpret_cast<const char*>(input.head.data()), kMagicV1.size());
  const RecordView<HeaderLayout> view(input.head.first<HeaderLayout::kSize>());
  const bool known = (magic == kMagicV1 || magic == kMagicV2) && view.Get<HeaderLayout::kVersion>() == kVersion;
  return known ? Likeness::kCertain : Likeness::kNo;
}

Likeness Probe(const ProbeInput& input) noexcept {
  return LooksLikeDescriptor(input.head) ? Likeness::kCertain : ProbeFile(input);
}

bool MakesFolder(const OptionValues& options) noexcept { return options.Flag(kBundleOption, false); }

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  // qemu reads single files only.
  const bool bundle = context.dialect == Dialect::kPlatter && PLATTER_TRY(IsBundle(*storage));
  if (bundle) return OpenBundle(std::move(storage), context);
  return OpenFile(std::move(storage), context.limits);
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "ploop images cannot be compressed");
  if (MakesFolder(request.options)) return CreateBundle(request);
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  auto writer = std::make_unique<Writer>(options, request.storage);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "ploop images cannot be compressed");
  if (PLATTER_TRY(IsBundle(*request.storage))) return Error(ErrorKind::kUnsupported, "bundles are read, and made anew");
  const Header header = PLATTER_TRY(ReadHeader(*request.storage));
  auto writer = std::make_unique<Updater>(header, request);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

Result<CheckReport> Check(const CheckRequest& request) {
  return PLATTER_TRY(IsBundle(*request.storage)) ? CheckBundle(request) : CheckFile(request);
}

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "ploop",
    .qemu_name = "parallels",
    .title = "Parallels expandable image",
    .extensions = kExtensions,
    .folder_member = kDescriptorName,
    .probe = Probe,
    .qemu_probe = ProbeFile,
    .open = Open,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .makes_folder = MakesFolder,
    .update = Update,
    .measure = Measure,
    .check = Check,
    .inspect = Inspect,
    .measure_beyond_qemu = true,
};

}  // namespace platter::ploop
