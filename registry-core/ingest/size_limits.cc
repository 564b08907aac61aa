#include "registry-core/ingest/size_limits.h"

#include <fmt/format.h>

namespace platter::registry {

Result<> CheckImageSize(const IngestRules& rules, std::optional<std::uint64_t> quota_left, std::uint64_t size,
                        std::uint64_t copies) {
  if (size > rules.max_image_bytes) {
    return Error(ErrorKind::kLimit, "the image is larger than images may be")
        .Found(size)
        .Allowed(fmt::format("{} bytes", rules.max_image_bytes));
  }
  if (!quota_left || size <= *quota_left / copies) return Done{};
  return Error(ErrorKind::kLimit, "the image does not fit into what is left of the owner's quota")
      .Found(size)
      .Allowed(fmt::format("{} bytes{}", *quota_left / copies, copies > 1 ? " in each store" : ""));
}

}  // namespace platter::registry
