// What a guest disk holds: partition tables, file systems, kernels, ramdisks.
#include "formats/content.h"

#include <algorithm>
#include <vector>

#include "formats/amazon/compression.h"
#include "formats/format_table.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

void Inflate(SparseStorage& disk) {
  for (const auto kind :
       {amazon::Compression::kGzip, amazon::Compression::kBzip2, amazon::Compression::kXz, amazon::Compression::kLzma,
        amazon::Compression::kLz4, amazon::Compression::kLz4Legacy, amazon::Compression::kZstd}) {
    std::vector<std::byte> head(std::min<std::uint64_t>(disk.size(), 64));
    if (!disk.ReadAt(0, head).ok() || amazon::FindCompression(head) != kind) continue;
    const auto bytes = amazon::Decompress(disk, 0, kind);
    Promise(bytes.ok(), "a stream in memory can be read");
    Promise(bytes.value().size() <= amazon::kMaxDecompressed, "no more is inflated than was promised");
  }
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto disk = SparseStorage::FromInput(input);
  (void)MendGpt(*disk);
  Inflate(*disk);
  DenyGate gate;
  const auto image = FindFormat("raw")->open(disk, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok()) return Told(image.error());
  const auto content = RecogniseContent(Chain({image.value()}));
  if (!content.ok()) return Told(content.error());
  const Detail* type = content.value().Find("type");
  Promise(content.value().empty() || type != nullptr, "what is recognised has a type");
}

}  // namespace platter::fuzz
