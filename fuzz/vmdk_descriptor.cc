// The text of a VMDK's descriptor: what is parsed, printed and parsed again is the same.
#include "formats/vmdk/descriptor.h"

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  const std::string_view text = InputReader(input).Text();
  (void)vmdk::LooksLikeDescriptor(text);
  const auto parsed = vmdk::ParseDescriptor(text);
  if (!parsed.ok()) return Told(parsed.error());
  const vmdk::Descriptor& descriptor = parsed.value();
  for (const vmdk::ExtentLine& extent : descriptor.extents) {
    const auto name = vmdk::DecodeName(extent.file, descriptor.encoding);
    if (!name.ok()) Told(name.error());
  }
  (void)descriptor.FindDdb("ddb.adapterType");
  const std::string printed = vmdk::PrintDescriptor(descriptor);
  const auto again = vmdk::ParseDescriptor(printed);
  Promise(again.ok(), "what was printed can be parsed", again.ok() ? "" : again.error().Describe());
  Promise(vmdk::PrintDescriptor(again.value()) == printed, "what was parsed prints the same");
}

}  // namespace platter::fuzz
