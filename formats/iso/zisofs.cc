#include "formats/iso/zisofs.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/core/read_only_storage.h"

namespace platter::iso {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07};
constexpr std::size_t kHeaderSize = 16;
constexpr unsigned kLeastBlockBits = 15;
constexpr unsigned kMostBlockBits = 17;

class ZisofsStorage : public ReadOnlyStorage {
 public:
  ZisofsStorage(std::shared_ptr<Storage> compressed, const Zisofs& zisofs)
      : ReadOnlyStorage(compressed->name()), compressed_(std::move(compressed)), zisofs_(zisofs) {}

  std::uint64_t size() const noexcept override { return zisofs_.size; }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    std::vector<std::byte> block;
    while (!out.empty()) {
      const std::uint64_t index = offset >> zisofs_.block_bits;
      const std::uint64_t start = index << zisofs_.block_bits;
      block.resize(std::min<std::uint64_t>(std::uint64_t{1} << zisofs_.block_bits, zisofs_.size - start));
      PLATTER_CHECK(ReadBlock(index, block));
      const auto part = std::span<const std::byte>(block).subspan(offset - start);
      const std::size_t length = std::min(part.size(), out.size());
      std::ranges::copy(part.first(length), out.begin());
      out = out.subspan(length);
      offset += length;
    }
    return Done{};
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{size() - offset, true}; }

 private:
  Error Corrupt(const char* what, std::uint64_t index) const {
    return Error(ErrorKind::kCorrupt, what).At(name(), fmt::format("zisofs block {}", index));
  }

  Result<> ReadBlock(std::uint64_t index, std::span<std::byte> out) {
    std::array<std::byte, 8> pointers{};
    const std::uint64_t at = zisofs_.header_size + index * 4;
    if (!FitsWithin(at, pointers.size(), compressed_->size())) return Corrupt("the table of blocks is cut off", index);
    PLATTER_CHECK(compressed_->ReadAt(at, pointers));
    const std::uint32_t begin = LoadLe<std::uint32_t>(pointers.data());
    const std::uint32_t end = LoadLe<std::uint32_t>(pointers.data() + 4);
    if (begin == end) {
      std::ranges::fill(out, std::byte{0});
      return Done{};
    }
    // zlib makes what does not compress a little longer, never twice as long.
    if (end < begin || end > compressed_->size() || end - begin > std::uint32_t{2} << zisofs_.block_bits) {
      return Corrupt("a block lies outside the file", index).Found(fmt::format("{} to {}", begin, end));
    }
    std::vector<std::byte> stored(end - begin);
    PLATTER_CHECK(compressed_->ReadAt(begin, stored));
    uLongf length = out.size();
    const int status = uncompress(reinterpret_cast<Bytef*>(out.data()), &length,
                                  reinterpret_cast<const Bytef*>(stored.data()), stored.size());
    if (status == Z_OK && length == out.size()) return Done{};
    return Corrupt("a compressed block is damaged", index);
  }

  std::shared_ptr<Storage> compressed_;
  Zisofs zisofs_;
};

}  // namespace

Result<std::shared_ptr<Storage>> OpenZisofs(std::shared_ptr<Storage> compressed, const Zisofs& zisofs) {
  if (zisofs.algorithm != "pz") {
    return Error(ErrorKind::kUnsupported, "the file is compressed in a way that is not supported")
        .At(compressed->name(), "ZF algorithm")
        .Found(zisofs.algorithm)
        .Allowed("pz");
  }
  if (zisofs.block_bits < kLeastBlockBits || zisofs.block_bits > kMostBlockBits || zisofs.header_size < kHeaderSize) {
    return Error(ErrorKind::kCorrupt, "a compressed file's attributes cannot be")
        .At(compressed->name(), "ZF block size")
        .Found(zisofs.block_bits)
        .Allowed("15 to 17");
  }
  std::array<std::byte, kHeaderSize> header{};
  if (compressed->size() < header.size()) {
    return Error(ErrorKind::kCorrupt, "a compressed file has no header").At(compressed->name(), "zisofs header");
  }
  PLATTER_CHECK(compressed->ReadAt(0, header));
  const bool magic = std::ranges::equal(std::span(header).first<8>(), kMagic, [](std::byte a, std::uint8_t b) {
    return std::to_integer<std::uint8_t>(a) == b;
  });
  if (!magic || LoadLe<std::uint32_t>(header.data() + 8) != zisofs.size) {
    return Error(ErrorKind::kCorrupt, "a compressed file's header does not agree with its directory record")
        .At(compressed->name(), "zisofs header");
  }
  return std::shared_ptr<Storage>(std::make_shared<ZisofsStorage>(std::move(compressed), zisofs));
}

}  // namespace platter::iso
