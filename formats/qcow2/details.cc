#include "formats/qcow2/details.h"

#include <utility>

#include "formats/core/luks.h"

namespace platter::qcow2 {
namespace {

Detail DescribeBitmaps(std::span<const BitmapRecord> bitmaps) {
  Detail::List list;
  for (const BitmapRecord& bitmap : bitmaps) {
    Detail::List flags;
    if (bitmap.info.in_use) flags.emplace_back("in-use");
    if (bitmap.info.automatic) flags.emplace_back("auto");
    Detail entry;
    entry.Add("flags", std::move(flags)).Add("name", bitmap.info.name).Add("granularity", bitmap.info.granularity);
    list.push_back(std::move(entry));
  }
  return list;
}

Detail DescribeUnknown(const Header& header) {
  Detail::List list;
  for (const UnknownExtension& extension : header.unknown_extensions) {
    Detail entry;
    entry.Add("type", extension.type).Add("length", std::uint64_t{extension.data.size()});
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Result<Detail> DescribeEncryption(Storage& storage, const Header& header) {
  if (header.crypt_method == CryptMethod::kAes) return std::move(Detail().Add("format", "aes"));
  if (!header.luks_header) {
    return Error(ErrorKind::kCorrupt, "encrypted image has no pointer to its LUKS header")
        .At("qcow2 header", "encryption header extension");
  }
  return DescribeLuks(storage, header.luks_header->first, header.luks_header->second, true);
}

Result<Detail> Describe(Storage& storage, const Header& header, std::span<const BitmapRecord> bitmaps) {
  const bool version3 = header.version >= 3;
  Detail detail;
  detail.Add("compat", version3 ? "1.1" : "0.10");
  detail.Add("compression-type", header.compression == Compression::kZstd ? "zstd" : "zlib");
  if (version3) detail.Add("lazy-refcounts", (header.compatible_features & kCompatLazyRefcounts) != 0);
  if (!bitmaps.empty()) detail.Add("bitmaps", DescribeBitmaps(bitmaps));
  detail.Add("refcount-bits", header.refcount_bits());
  if (header.has_data_file() && header.data_file) detail.Add("data-file", *header.data_file);
  if (header.has_data_file()) detail.Add("data-file-raw", header.data_file_raw());
  if (header.crypt_method != CryptMethod::kNone) {
    detail.Add("encrypt", PLATTER_TRY(DescribeEncryption(storage, header)));
  }
  if (version3) detail.Add("corrupt", header.has(kIncompatCorrupt)).Add("extended-l2", header.extended_l2());
  return detail;
}

Detail DescribeFurther(const Header& header) {
  Detail detail;
  if (!header.unknown_extensions.empty()) detail.Add("unknown-extensions", DescribeUnknown(header));
  return detail;
}

}  // namespace platter::qcow2
