#include "formats/recognised/described_image.h"

#include <fmt/format.h>

#include <cstring>

namespace platter::recognised {

Result<LayerExtent> DescribedImage::DoMap(ByteRange /*range*/) { return NotRead(format_, ""); }

Result<> DescribedImage::DoRead(ByteRange /*range*/, std::span<std::byte> /*out*/) { return NotRead(format_, ""); }

Error NotRead(std::string_view format, std::string_view remedy) {
  Error error(ErrorKind::kUnsupported, fmt::format("{} images are recognised, but not read", format));
  if (remedy.empty()) return error;
  return std::move(error).Try(std::string(remedy));
}

bool StartsWith(std::span<const std::byte> head, std::size_t offset, std::string_view bytes) noexcept {
  return head.size() >= offset + bytes.size() && std::memcmp(head.data() + offset, bytes.data(), bytes.size()) == 0;
}

void AddReference(Inspection& inspection, std::string_view code, std::string value, std::string_view message) {
  inspection.findings.push_back({.code = std::string(code),
                                 .severity = SeverityOf(Concern::kReference),
                                 .concern = Concern::kReference,
                                 .value = std::move(value),
                                 .message = std::string(message)});
}

Error BadField(std::string_view format, std::string_view field, std::uint64_t offset, std::uint64_t found,
               std::string allowed) {
  return Error(ErrorKind::kCorrupt, fmt::format("{} image is damaged", format))
      .At(fmt::format("{} header", format), std::string(field), offset)
      .Found(found)
      .Allowed(std::move(allowed));
}

}  // namespace platter::recognised
