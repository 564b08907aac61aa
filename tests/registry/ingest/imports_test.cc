// Who waits for whom among imports.
#include "registry-core/ingest/imports.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "registry-core/ingest/staged_upload.h"
#include "tests/registry/ingest/registry.h"

namespace platter::registry {
namespace {

using namespace std::chrono_literals;

// A server of the web that says nothing until it is let, and then sends a sector.
class HeldSource final : public ByteSource {
 public:
  explicit HeldSource(std::function<bool()> held) : held_(std::move(held)) {}
  std::optional<std::uint64_t> size() const override { return 512; }
  Result<std::size_t> ReadSome(std::span<std::byte> out) override {
    while (held_()) std::this_thread::sleep_for(1ms);
    const std::size_t count = std::min<std::size_t>(out.size(), left_);
    left_ -= count;
    return count;
  }

 private:
  const std::function<bool()> held_;
  std::size_t left_ = 512;
};

class ImportsTest : public testing::Test {
 protected:
  void StartImports(unsigned at_once, std::size_t waiting) {
    ImportOptions options{.at_once = at_once, .waiting = waiting, .fetch = {}, .observe = {}};
    options.fetch = [this](const std::string& url,
                           const std::function<bool()>& cancelled) -> Result<std::unique_ptr<ByteSource>> {
      const bool slow = url == "slow";
      if (slow) ++slow_ones_;
      return std::unique_ptr<ByteSource>(
          std::make_unique<HeldSource>([this, slow, cancelled] { return slow && held_ && !cancelled(); }));
    };
    imports_.emplace(registry_.context, staging_, options);
  }
  // The kind of the error, or nothing.
  std::optional<ErrorKind> Download(const std::string& owner, const std::string& url) {
    image_ = registry_.Queued("raw").id;
    ImportRequest request;
    request.image = image_;
    request.method = ImportMethod::kWeb;
    request.url = url;
    request.owner = owner;
    const auto started = imports_->Start(std::move(request));
    return started.ok() ? std::optional<ErrorKind>() : started.error().kind();
  }
  void StageAndImport(const std::string& owner) {
    image_ = registry_.Queued("raw").id;
    auto staged = StagedUpload::Begin(registry_.context, staging_, image_, 512).value();
    ASSERT_TRUE(staged->Feed(Noise(512)).ok());
    ASSERT_TRUE(staged->Finish().ok());
    ImportRequest request;
    request.image = image_;
    request.owner = owner;
    ASSERT_TRUE(imports_->Start(std::move(request)).ok());
  }
  // Of the image that was imported last.
  bool BecomesActive() {
    for (int tries = 0; tries < 2000; ++tries) {
      if (registry_.StatusOf(image_) == Status::kActive) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  bool SlowOnesRun(int count) {
    for (int tries = 0; tries < 2000 && slow_ones_ < count; ++tries) std::this_thread::sleep_for(5ms);
    return slow_ones_ == count;
  }

  const test::TempDir folder_;
  Registry registry_{folder_.File("r")};
  const StagingArea staging_ = OpenStaging(folder_.File("r"));
  std::atomic<bool> held_ = true;
  std::atomic<int> slow_ones_ = 0;
  std::string image_;
  std::optional<Imports> imports_;
};

TEST_F(ImportsTest, SlowServersHoldUpNobodyElse) {
  StartImports(4, 1000);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Download("them", "slow"), std::nullopt);
  EXPECT_TRUE(SlowOnesRun(2));
  StageAndImport("us");
  EXPECT_TRUE(BecomesActive()) << "what is staged";
  StageAndImport("them");
  EXPECT_TRUE(BecomesActive()) << "what they have staged themselves";
  EXPECT_EQ(Download("us", "quick"), std::nullopt);
  EXPECT_TRUE(BecomesActive()) << "from another server";
  EXPECT_EQ(slow_ones_, 2) << "no more than half of them";
  held_ = false;
  EXPECT_TRUE(SlowOnesRun(6));
}

TEST_F(ImportsTest, AProjectHasAShareOfThoseThatWait) {
  StartImports(2, 8);
  EXPECT_EQ(Download("them", "slow"), std::nullopt);
  EXPECT_TRUE(SlowOnesRun(1));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Download("them", "slow"), std::nullopt);
  EXPECT_EQ(Download("them", "slow"), ErrorKind::kLimit);
  EXPECT_EQ(registry_.StatusOf(image_), Status::kQueued);
  EXPECT_EQ(Download("us", "quick"), std::nullopt);
  EXPECT_TRUE(BecomesActive());
  StageAndImport("them");
  EXPECT_TRUE(BecomesActive());
}

}  // namespace
}  // namespace platter::registry
