#include "formats/ploop/details.h"

#include <utility>

namespace platter::ploop {
namespace {

Detail DescribeBitmaps(const Extension& extension) {
  Detail::List list;
  for (const DirtyBitmap& bitmap : extension.bitmaps) {
    Detail entry;
    entry.Add("id", bitmap.id).Add("size", bitmap.size).Add("granularity", bitmap.granularity);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

Detail DescribeFurther(const Header& header, const Extension& extension) {
  Detail detail;
  detail.Add("ploop-version", header.version);
  detail.Add("ploop-cluster-size", header.cluster_size);
  detail.Add("in-use", header.open());
  if (!extension.bitmaps.empty()) detail.Add("dirty-bitmaps", DescribeBitmaps(extension));
  if (!extension.unknown.empty()) detail.Add("unknown-sections", std::uint64_t{extension.unknown.size()});
  return detail;
}

}  // namespace platter::ploop
