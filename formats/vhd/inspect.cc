#include "formats/vhd/inspect.h"

#include <string>
#include <utility>

#include "formats/vhd/locate.h"

namespace platter::vhd {
namespace {

std::string_view VariantOf(const Footer& footer) noexcept {
  switch (footer.disk_type) {
    case kTypeFixed:
      return "fixed";
    case kTypeDynamic:
      return "dynamic";
    case kTypeDifferencing:
      return "differencing";
    default:
      return "";
  }
}

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& /*limits*/, Inspection& inspection) {
  const Headers headers = PLATTER_TRY(LoadHeaders(*storage, OptionValues(), Dialect::kPlatter));
  inspection.variant = VariantOf(headers.footer);
  const FooterCopy& front = headers.copies.front;
  const FooterCopy& back = headers.copies.back;
  const auto add = [&](std::string code, Concern concern, std::string message) {
    inspection.findings.push_back({.code = std::move(code),
                                   .severity = SeverityOf(concern),
                                   .concern = concern,
                                   .offset = back.offset,
                                   .message = std::move(message)});
  };
  const bool sound_front = front.state == FooterCopy::State::kSound;
  if (sound_front && back.state == FooterCopy::State::kAbsent) {
    add("vhd.truncated", Concern::kTruncated, "the file does not end with a footer, as the copy at its front demands");
  }
  if (back.state == FooterCopy::State::kDamaged) {
    add("vhd.footer", Concern::kCorrupt, "the footer is damaged: " + back.fault);
  }
  for (std::string& fault : FaultsOf(headers)) add("vhd.footer", Concern::kCorrupt, std::move(fault));
  if (headers.sparse && front.state == FooterCopy::State::kDamaged) {
    add("vhd.front_footer", Concern::kCorrupt, "the footer's copy at the front is damaged: " + front.fault);
  } else if (headers.sparse && front.state == FooterCopy::State::kAbsent) {
    add("vhd.front_footer", Concern::kAmbiguous,
        "programs that look for the footer's copy at the front do not find it");
  } else if (!headers.sparse && front.state != FooterCopy::State::kAbsent) {
    add("vhd.front_footer", Concern::kAmbiguous, "a fixed disk starts with a footer, which programs follow");
  }
  if (sound_front && back.state == FooterCopy::State::kSound && front.footer != back.footer) {
    add("vhd.footer_mismatch", Concern::kAmbiguous, "the footer and its copy at the front describe two disks");
  }
  if (const auto size = DisputedSize(headers.footer)) {
    add("vhd.size", Concern::kAmbiguous, "the geometry and the size field describe disks of two sizes");
    inspection.findings.back().value = std::to_string(*size);
    inspection.larger_size = size;
  }
  if (headers.footer.saved_state) {
    add("vhd.saved_state", Concern::kNone, "the disk was taken from a suspended machine");
  }
  return Done{};
}

}  // namespace platter::vhd
