// The files of a volume, under every kind of names that it may have. The first byte chooses the kind.
#include <array>

#include "formats/format_table.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/tree_walk.h"

namespace platter::fuzz {
namespace {

constexpr std::array<std::string_view, 6> kTrees = {"tree=auto",   "tree=rock-ridge",   "tree=udf",
                                                    "tree=joliet", "tree=iso9660-1999", "tree=iso9660"};

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  if (input.empty()) return;
  const FormatDriver& driver = *FindFormat("iso");
  const auto file = SparseStorage::FromInput(input.subspan(1));
  (void)MendUdf(*file);
  DenyGate gate;
  OpenContext context{.limits = SmallLimits(), .gate = &gate};
  context.options = OptionValues::Parse(kTrees[input[0] % kTrees.size()], driver.open_options).value();
  const auto image = driver.open(file, context);
  if (!image.ok()) return Told(image.error());
  if (FileTree* tree = image.value()->file_tree(); tree != nullptr) LookAtTree(*tree, context.limits);
}

}  // namespace platter::fuzz
