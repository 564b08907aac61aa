#include "registry-core/catalog/record_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace platter::registry {
namespace {

constexpr std::size_t kRoom = std::size_t{1} << 20;

std::shared_ptr<const ImageRecord> Image(std::string id, std::uint64_t version, std::size_t bytes = 0) {
  auto image = std::make_shared<ImageRecord>();
  image->id = std::move(id);
  image->version = version;
  image->created = Instant(std::chrono::seconds(7));
  image->properties["bulk"] = std::string(bytes, 'x');
  return image;
}

TEST(RecordCacheTest, GivesTheVersionThatIsAskedForAndNoOther) {
  RecordCache cache(kRoom);
  const Instant created(std::chrono::seconds(7));
  const auto first = Image("a", 1);
  cache.Keep(first);
  EXPECT_EQ(cache.Find("a", 1, created), first);
  EXPECT_EQ(cache.Find("a", 2, created), nullptr);
  EXPECT_EQ(cache.Find("a", 1, created + std::chrono::seconds(1)), nullptr);
  EXPECT_EQ(cache.Find("b", 1, created), nullptr);
  const auto second = Image("a", 2);
  cache.Keep(second);
  EXPECT_EQ(cache.Find("a", 2, created), second);
  EXPECT_EQ(cache.Find("a", 1, created), nullptr);
}

TEST(RecordCacheTest, KeepsWhatIsUsedWithinItsRoom) {
  RecordCache cache(kRoom);
  const Instant created(std::chrono::seconds(7));
  constexpr std::size_t kBytes = 10'000;
  cache.Keep(Image("used", 1, kBytes));
  std::vector<std::weak_ptr<const ImageRecord>> all;
  for (int at = 0; at < 500; ++at) {
    auto image = Image(std::to_string(at), 1, kBytes);
    all.push_back(image);
    cache.Keep(std::move(image));
    ASSERT_NE(cache.Find("used", 1, created), nullptr);
  }
  const auto held =
      static_cast<std::size_t>(std::ranges::count_if(all, [](const auto& image) { return !image.expired(); }));
  EXPECT_LE(held * kBytes, kRoom);
  EXPECT_GT(held * kBytes, kRoom / 2);
  EXPECT_EQ(cache.Find("0", 1, created), nullptr);
  EXPECT_NE(cache.Find("499", 1, created), nullptr);
  cache.Keep(Image("large", 1, kRoom / 2));
  EXPECT_EQ(cache.Find("large", 1, created), nullptr);
  EXPECT_NE(cache.Find("499", 1, created), nullptr);
}

}  // namespace
}  // namespace platter::registry
