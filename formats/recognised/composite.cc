// Composite disks of crosvm: a list of files of the host that are the parts of one disk (crosvm:
// disk/src/composite.rs).
#include <algorithm>

#include "formats/recognised/described_image.h"

namespace platter::composite {
namespace {

constexpr std::string_view kMagic = "composite_disk\x1D";
constexpr std::size_t kShown = 4096;  // bytes of the list

Likeness Probe(const ProbeInput& input) noexcept {
  return recognised::StartsWith(input.head, 0, kMagic) ? Likeness::kCertain : Likeness::kNo;
}

Result<std::string> ReadList(Storage& storage) {
  std::string text(std::min<std::uint64_t>(storage.size(), kShown), '\0');
  PLATTER_CHECK(storage.ReadAt(0, std::as_writable_bytes(std::span(text))));
  if (!text.starts_with(kMagic)) {
    return Error(ErrorKind::kNotThisFormat, "not a composite disk").At("composite disk", "magic", 0);
  }
  return text.substr(kMagic.size());
}

// One field of a protocol buffer: its number, and its bytes where it has some.
struct Field {
  std::uint64_t number = 0;
  std::string_view bytes;
};

std::optional<std::uint64_t> TakeNumber(std::string_view& text) noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !text.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<Field> TakeField(std::string_view& text) noexcept {
  const auto key = TakeNumber(text);
  const auto value = key ? TakeNumber(text) : std::nullopt;
  if (!value) return std::nullopt;
  Field field{*key >> 3U, {}};
  if ((*key & 7U) == 2) {
    field.bytes = text.substr(0, *value);
    text.remove_prefix(field.bytes.size());
    return field;
  }
  return (*key & 7U) == 0 ? std::optional(field) : std::nullopt;
}

// The path of the first part; "" where the list does not tell one.
std::string FirstPath(std::string_view list) {
  constexpr std::uint64_t kParts = 2;  // of CompositeDisk
  constexpr std::uint64_t kPath = 1;   // of ComponentDisk
  for (auto field = TakeField(list); field; field = TakeField(list)) {
    if (field->number != kParts) continue;
    for (auto inner = TakeField(field->bytes); inner; inner = TakeField(field->bytes)) {
      if (inner->number == kPath) return std::string(inner->bytes);
    }
  }
  return "";
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  PLATTER_TRY(ReadList(*storage));
  if (context.contents) return recognised::NotRead("composite", "open the files that it names");
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("composite", std::move(storage), ImageInfo{}));
}

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
  recognised::AddReference(inspection, "composite.files", FirstPath(PLATTER_TRY(ReadList(*storage))),
                           "the disk is made of files of the host");
  return Done{};
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "composite",
    .qemu_name = "",
    .title = "crosvm composite disk",
    .probe = Probe,
    .open = Open,
    .described_only = true,
    .inspect = Inspect,
};

}  // namespace platter::composite
