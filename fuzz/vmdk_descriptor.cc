// The text of a VMDK's descriptor: what is parsed, printed and parsed again is the same, but for values with a
// quotation mark in them, and types with blanks, which the format has no way to write.
#include "formats/vmdk/descriptor.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

bool CannotBeWritten(const vmdk::Descriptor& descriptor) {
  const auto quoted = [](std::string_view text) { return text.find('"') != std::string_view::npos; };
  return quoted(descriptor.create_type) || quoted(descriptor.encoding) || quoted(descriptor.change_track_path) ||
         quoted(descriptor.parent_hint.value_or("")) ||
         std::ranges::any_of(descriptor.extents,
                             [&](const vmdk::ExtentLine& extent) {
                               return quoted(extent.file) ||
                                      extent.other_type.find_first_of(" \t\v\f") != std::string::npos;
                             }) ||
         std::ranges::any_of(descriptor.ddb,
                             [&](const auto& pair) { return quoted(pair.first) || quoted(pair.second); });
}

}  // namespace

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
  if (CannotBeWritten(descriptor)) return;
  const std::string printed = vmdk::PrintDescriptor(descriptor);
  const auto again = vmdk::ParseDescriptor(printed);
  Promise(again.ok(), "what was printed can be parsed", again.ok() ? "" : again.error().Describe());
  Promise(vmdk::PrintDescriptor(again.value()) == printed, "what was parsed prints the same");
}

}  // namespace platter::fuzz
