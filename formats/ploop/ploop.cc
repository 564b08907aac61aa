#include "formats/ploop/ploop.h"

#include <algorithm>
#include <array>

#include "formats/ploop/check.h"
#include "formats/ploop/create_options.h"
#include "formats/ploop/measure.h"
#include "formats/ploop/reader.h"
#include "formats/ploop/updater.h"
#include "formats/ploop/writer.h"

namespace platter::ploop {
namespace {

constexpr std::array<std::string_view, 2> kExtensions = {"hdd", "hds"};

Likeness Probe(const ProbeInput& input) noexcept {
  if (input.head.size() < HeaderLayout::kSize) return Likeness::kNo;
  const std::string_view magic(reinterpret_cast<const char*>(input.head.data()), kMagicV1.size());
  const RecordView<HeaderLayout> view(input.head.first<HeaderLayout::kSize>());
  const bool known = (magic == kMagicV1 || magic == kMagicV2) && view.Get<HeaderLayout::kVersion>() == kVersion;
  return known ? Likeness::kCertain : Likeness::kNo;
}

}  // namespace

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  return OpenFile(std::move(storage), context.limits);
}

Result<std::unique_ptr<ImageWriter>> Create(const CreateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "ploop images cannot be compressed");
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  auto writer = std::make_unique<Writer>(options, request.storage);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  if (request.compress) return Error(ErrorKind::kUnsupported, "ploop images cannot be compressed");
  const Header header = PLATTER_TRY(ReadHeader(*request.storage));
  auto writer = std::make_unique<Updater>(header, request);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

Result<CheckReport> Check(const CheckRequest& request) { return CheckFile(request); }

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "ploop",
    .qemu_name = "parallels",
    .title = "Parallels expandable image",
    .extensions = kExtensions,
    .probe = Probe,
    .open = Open,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .update = Update,
    .measure = Measure,
    .check = Check,
    .measure_beyond_qemu = true,
};

}  // namespace platter::ploop
