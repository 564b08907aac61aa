// Uploads and deletes images in one registry from many threads until it is killed: uploader FOLDER SEED THREADS.
#include <algorithm>
#include <cstdlib>
#include <thread>

#include "registry-core/ingest/removal.h"
#include "tests/registry/ingest/registry.h"

namespace platter::registry {
namespace {

void Work(Registry& registry, std::uint64_t seed) {
  test::Random random(seed);
  std::vector<std::string> mine;
  for (;;) {
    // Most are small, so that a kill is likely to fall between the steps at an upload's end.
    const std::size_t size = random.Below(4) == 0 ? random.Below(4 << 20) : random.Below(100000);
    const Bytes bytes = Noise(size, random.Next());
    const ImageRecord image = registry.Queued("raw");
    auto upload = Upload::Begin(registry.context, image.id, Upload::Way::kDirect, random.Below(2) == 0 ? "" : "other",
                                random.Below(2) == 0 ? std::optional<std::uint64_t>(size) : std::nullopt);
    if (!upload.ok()) continue;
    bool well = true;
    for (std::size_t at = 0; well && at < size;) {
      const std::size_t piece = std::min<std::size_t>(1 + random.Below(300000), size - at);
      well = upload.value()->Feed(std::span(bytes).subspan(at, piece)).ok();
      at += piece;
    }
    if (random.Below(8) == 0) continue;  // broken off
    if (well && upload.value()->Finish().ok()) mine.push_back(image.id);
    if (mine.size() > 3 && random.Below(2) == 0) {
      (void)RemoveImage(*registry.catalog, registry.stores, nullptr, mine.back());
      mine.pop_back();
    }
  }
}

}  // namespace
}  // namespace platter::registry

int main(int count, char** words) {
  if (count != 4) return 2;
  platter::registry::Registry registry(words[1]);
  const int count_of_threads = std::atoi(words[3]);
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count_of_threads));
  for (int at = 0; at < count_of_threads; ++at) {
    threads.emplace_back([&registry, seed = std::strtoull(words[2], nullptr, 10) + static_cast<std::uint64_t>(at)] {
      platter::registry::Work(registry, seed);
    });
  }
  for (std::thread& thread : threads) thread.join();
}
