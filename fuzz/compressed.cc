// Compressed streams: the last bytes of the input choose how they are read. Front to back they are what they are at any
// place; while they pass by, in pieces, they end the same way.
#include <algorithm>
#include <string>
#include <vector>

#include "formats/containers/codec/unpacked_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/inspect/unpacked_stream.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

constexpr codec::Bound kBound{.on_top = std::uint64_t{4} << 20};

// `damage`: the code of what is wrong with the stream; "" for a sound one, which unpacks to `size` bytes.
void PassBy(std::span<const std::byte> bytes, codec::Compression compression, std::size_t piece,
            const std::string& damage, std::uint64_t size) {
  inspect::UnpackedStream stream("stream", compression);
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    stream.Append(bytes.subspan(at, std::min(piece, bytes.size() - at)));
    while (stream.Advance()) continue;
  }
  stream.Finish();
  while (stream.Advance()) continue;
  const std::string here = stream.damage() ? stream.damage()->code : "";
  Promise(here == damage, "a stream that passes by is as sound as it is in a file, or damaged in the same way",
          here + ", " + damage);
  Promise(!damage.empty() || stream.made() == size, "and as long");
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader choices(input.last(std::min<std::size_t>(input.size(), 16)));
  const auto bytes = std::as_bytes(input);
  const auto compression = codec::FindCompression(bytes);
  if (!compression) return;
  const auto file = std::make_shared<MemoryStorage>("stream", std::vector<std::byte>(bytes.begin(), bytes.end()));
  const auto made = codec::UnpackedStorage::Make(file, *compression, kBound);
  const std::uint64_t size = made.ok() ? made.value()->size() : 0;
  const bool too_large = !made.ok() && made.error().field() == "size";
  if (!made.ok()) Told(made.error());
  const std::string damage = made.ok() ? "" : inspect::StreamFinding(made.error()).code;
  if (!too_large) PassBy(bytes, *compression, choices.Below(9000) + 1, damage, size);
  for (int reads = 0; reads < 4 && size != 0; ++reads) {
    const std::uint64_t at = choices.Below(size);
    std::vector<std::byte> part(std::min<std::uint64_t>(choices.Below(5000) + 1, size - at));
    std::vector<std::byte> again(part.size());
    Promise(made.value()->ReadAt(at, part).ok(), "what has been read once reads again");
    const auto fresh = codec::UnpackedStorage::Make(file, *compression, kBound);
    Promise(fresh.ok() && fresh.value()->ReadAt(at, again).ok() && part == again, "a stream reads the same each time");
  }
}

}  // namespace platter::fuzz
