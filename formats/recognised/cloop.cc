// cloop version 2: the compressed loop device of live CDs.
#include <array>

#include "formats/core/bytes.h"
#include "formats/recognised/described_image.h"

namespace platter::cloop {
namespace {

constexpr std::string_view kMagic =
    "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";

struct Header {
  static constexpr std::size_t kSize = 136;
  static constexpr Be<std::uint32_t> kBlockSize{128};
  static constexpr Be<std::uint32_t> kBlocks{132};
};

// The script is what qemu goes by; a script that mounts something else is cloop, too.
Likeness QemuProbe(const ProbeInput& input) noexcept {
  return recognised::StartsWith(input.head, 0, kMagic) ? Likeness::kCertain : Likeness::kNo;
}

Likeness Probe(const ProbeInput& input) noexcept {
  return recognised::StartsWith(input.head, 0, kMagic.substr(0, 23)) ? Likeness::kCertain : Likeness::kNo;
}

Result<std::shared_ptr<Image>> Open(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::array<std::byte, Header::kSize> bytes{};
  PLATTER_CHECK(storage->ReadPadded(0, bytes));
  if (!recognised::StartsWith(bytes, 0, kMagic.substr(0, 23))) {
    return Error(ErrorKind::kNotThisFormat, "Image not in cloop format").At("cloop header", "script", 0);
  }
  if (context.contents) return recognised::NotRead("cloop", "convert it with qemu-img first");
  const RecordView<Header> header(bytes);
  constexpr std::uint32_t kMaxBlock = 64U << 20;
  const auto block = header.Get<Header::kBlockSize>();
  if (block == 0 || block % 512 != 0 || block > kMaxBlock) {
    return recognised::BadField("cloop", "block_size", 128, block, "a multiple of 512, up to 67108864");
  }
  const std::uint64_t blocks = header.Get<Header::kBlocks>();
  if (!FitsWithin(Header::kSize, (blocks + 1) * 8, storage->size())) {
    return recognised::BadField("cloop", "num_blocks", 132, blocks, "as many as the file has offsets for");
  }
  ImageInfo info;
  info.tracks_dirty = false;
  info.virtual_size = blocks * block;
  return std::shared_ptr<Image>(
      std::make_shared<recognised::DescribedImage>("cloop", std::move(storage), std::move(info)));
}

}  // namespace

extern const FormatDriver kDriver;
const FormatDriver kDriver = {
    .name = "cloop",
    .qemu_name = "cloop",
    .title = "compressed loop device",
    .probe = Probe,
    .qemu_probe = QemuProbe,
    .open = Open,
    .described_only = true,
};

}  // namespace platter::cloop
