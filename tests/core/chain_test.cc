#include "formats/core/chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace platter {
namespace {

constexpr std::uint64_t kUnit = 512;

// One unit per letter: 'z' zero, '.' unallocated, anything else data of that letter.
class LetterImage : public Image {
 public:
  explicit LetterImage(std::string letters) : letters_(std::move(letters)) {
    info_.virtual_size = letters_.size() * kUnit;
  }
  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const char letter = letters_[range.offset() / kUnit];
    const std::uint64_t rest = kUnit - range.offset() % kUnit;
    LayerExtent extent{.length = std::min(rest, range.length())};
    if (letter == 'z') extent.status = BlockStatus::kZero;
    if (letter == '.') extent.status = BlockStatus::kUnallocated;
    return extent;
  }
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::byte>(letters_[(range.offset() + i) / kUnit]);
    }
    return Done{};
  }

 private:
  std::string letters_;
  ImageInfo info_;
};

Chain MakeChain(const std::vector<std::string>& layers) {
  std::vector<std::shared_ptr<Image>> images;
  images.reserve(layers.size());
  for (const std::string& letters : layers) images.push_back(std::make_shared<LetterImage>(letters));
  return Chain(std::move(images));
}

// The first byte of each unit; zeros as '0'.
std::string Guest(const Chain& chain) {
  std::vector<std::byte> bytes(chain.virtual_size());
  EXPECT_TRUE(chain.ReadAt(0, bytes).ok());
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kUnit) {
    text += bytes[at] == std::byte{0} ? '0' : static_cast<char>(bytes[at]);
  }
  return text;
}

TEST(Chain, TheTopmostLayerThatKnowsDecides) { EXPECT_EQ(Guest(MakeChain({"a.z..", ".bbb.", "ccccc"})), "ab0bc"); }

TEST(Chain, NothingIsBelowAShorterLayer) { EXPECT_EQ(Guest(MakeChain({"....", "b", "cccc"})), "b000"); }

TEST(Chain, SaysWhichLayerDecided) {
  const Chain chain = MakeChain({"a..", ".b.", "..."});
  EXPECT_EQ(chain.Map(0, kUnit).value().depth, 0);
  EXPECT_EQ(chain.Map(kUnit, kUnit).value().depth, 1);
  const Extent nobody = chain.Map(2 * kUnit, kUnit).value();
  EXPECT_EQ(nobody.depth, 3);
  EXPECT_EQ(nobody.status, BlockStatus::kUnallocated);
}

TEST(Chain, JoinsWhatIsAlike) {
  const Chain chain = MakeChain({"zzzaa"});
  EXPECT_EQ(chain.MapJoined(0, 5 * kUnit).value().length, 3 * kUnit);
}

TEST(Chain, RefusesRangesOutsideTheDisk) {
  const Chain chain = MakeChain({"ab"});
  EXPECT_EQ(chain.Map(2 * kUnit, 1).error().kind(), ErrorKind::kOutOfRange);
  EXPECT_EQ(chain.Map(0, 2 * kUnit + 1).error().kind(), ErrorKind::kOutOfRange);
}

}  // namespace
}  // namespace platter
