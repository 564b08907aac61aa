#include "formats/vhd/vhd.h"

#include <algorithm>
#include <array>

#include "formats/core/checked.h"
#include "formats/vhd/check.h"
#include "formats/vhd/inspect.h"
#include "formats/vhd/locate.h"
#include "formats/vhd/measure.h"
#include "formats/vhd/updater.h"
#include "formats/vhd/writer.h"

namespace platter::vhd {
namespace {

constexpr std::array<std::string_view, 3> kExtensions = {"vhd", "vpc", "avhd"};

constexpr std::array kOpenOptions = {
    OptionSpec{kSizeRuleOption, OptionType::kText, "what counts as the disk's size: chs or current_size"},
};

bool StartsAsFooter(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 8 && LoadBe<std::uint64_t>(bytes.data()) == kFooterCookie;
}

// A disk may well end with some other VHD's footer. Only one that accounts for the whole file makes it a VHD.
bool AccountsForFile(const RecordView<FooterLayout>& footer, std::uint64_t offset, std::span<const std::byte> head) {
  if (footer.Get<FooterLayout::kDiskType>() == kTypeFixed) return footer.Get<FooterLayout::kCurrentSize>() == offset;
  const std::uint64_t header = footer.Get<FooterLayout::kDataOffset>();
  return FitsWithin(header, 8, head.size()) && LoadBe<std::uint64_t>(head.data() + header) == kSparseCookie;
}

bool EndsAsVhd(const ProbeInput& input) noexcept {
  const std::uint64_t offset = AlignUp(input.file_size, kSectorSize) - kSectorSize;
  const std::uint64_t length = input.file_size - offset;
  if (length < kShortFooterSize || length > input.tail.size()) return false;
  std::array<std::byte, FooterLayout::kSize> bytes{};
  std::ranges::copy(input.tail.last(length), bytes.begin());
  const RecordView<FooterLayout> footer(bytes);
  return StartsAsFooter(bytes) && AccountsForFile(footer, offset, input.head) &&
         footer.Get<FooterLayout::kChecksum>() == Checksum(bytes, FooterLayout::kChecksum.offset);
}

Likeness Probe(const ProbeInput& input) noexcept {
  return StartsAsFooter(input.head) || EndsAsVhd(input) ? Likeness::kCertain : Likeness::kNo;
}

Likeness ProbeAsQemu(const ProbeInput& input) noexcept {
  return StartsAsFooter(input.head) ? Likeness::kCertain : Likeness::kNo;
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "vhd",
    .qemu_name = "vpc",
    .title = "Microsoft virtual hard disk",
    .extensions = kExtensions,
    .probe = Probe,
    .qemu_probe = ProbeAsQemu,
    .open = Open,
    .open_options = kOpenOptions,
    .create = Create,
    .create_options = kCreateOptionSpecs,
    .can_have_backing = true,
    .update = Update,
    .measure = Measure,
    .check = Check,
    .can_repair = false,
    .inspect = Inspect,
    .measure_beyond_qemu = true,
    .check_beyond_qemu = true,
};

}  // namespace platter::vhd
