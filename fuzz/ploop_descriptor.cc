// DiskDescriptor.xml: what is parsed, written and parsed again is the same; and the chain of every snapshot.
#include "formats/ploop/descriptor.h"

#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  (void)ploop::LooksLikeDescriptor(std::as_bytes(input));
  const auto parsed = ploop::ParseDescriptor(std::as_bytes(input), SmallLimits());
  if (!parsed.ok()) return Told(parsed.error());
  for (const ploop::Shot& shot : parsed.value().shots) {
    const auto chain = ploop::ChainOf(parsed.value(), shot.guid);
    if (!chain.ok()) Told(chain.error());
  }
  const std::string written = ploop::SerializeDescriptor(parsed.value());
  const auto again = ploop::ParseDescriptor(std::as_bytes(std::span(written)), SmallLimits());
  Promise(again.ok(), "what was written can be parsed", again.ok() ? "" : again.error().Describe());
  Promise(ploop::SerializeDescriptor(again.value()) == written, "what was parsed is written the same");
}

}  // namespace platter::fuzz
