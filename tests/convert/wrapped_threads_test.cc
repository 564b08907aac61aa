// What containers unpack and pass on, read by several threads at once: the same bytes as by one. Small, for
// ThreadSanitizer's sake (scripts/test.sh).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "convert/copy/copy.h"
#include "convert/docker/layer_writer.h"
#include "formats/container_table.h"
#include "formats/containers/codec/unpacked_storage.h"
#include "formats/containers/docker/archive.h"
#include "formats/containers/docker/unpacked_layers.h"
#include "formats/containers/ova/passing.h"
#include "formats/core/forward_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "tests/containers/docker_bytes.h"
#include "tests/containers/tar_bytes.h"
#include "tests/convert/disks.h"

namespace platter::test {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kLength = std::size_t{6} << 20;

// Half of it compresses.
std::string Content(std::size_t length) {
  std::string text(length, '\0');
  std::uint32_t state = 1;
  for (std::size_t at = 0; at < length; ++at) {
    state = state * 1664525 + 1013904223;
    text[at] = static_cast<char>((at >> 16) % 2 == 0 ? state >> 24 : at >> 12);
  }
  return text;
}

// Reads all of `size` bytes by several threads, each beginning somewhere else; `read` fills from an offset on.
template <class Read>
void ReadByAll(const std::vector<std::byte>& expected, Read read) {
  constexpr std::size_t kPiece = 300001;
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, number] {
      std::vector<std::byte> piece;
      for (std::size_t turn = 0; turn * kPiece < expected.size(); ++turn) {
        const std::size_t at = (turn * kPiece + number * expected.size() / kThreads) % expected.size();
        piece.resize(std::min(kPiece, expected.size() - at));
        const auto done = read(at, std::span(piece));
        ASSERT_TRUE(done.ok()) << done.error().Describe();
        ASSERT_TRUE(std::equal(piece.begin(), piece.end(), expected.begin() + static_cast<std::ptrdiff_t>(at))) << at;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(WrappedThreads, ReadLayersAnywhere) {
  ImageText image;
  LayerText gzip = SmallLayer("a", Content(kLength));
  LayerText zstd = SmallLayer("b", Content(kLength));
  gzip.stored = Gzip(gzip.tar);
  gzip.media_type += "+gzip";
  zstd.stored = Zstd(zstd.tar);
  zstd.media_type += "+zstd";
  image.layers = {gzip, zstd};
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto stored = std::make_shared<MemoryStorage>("image.tar", AsBytes(TarOf(image.Both())));
  const auto opened = docker::OpenArchive(stored, context);
  ASSERT_TRUE(opened.ok()) << opened.error().Describe();
  docker::UnpackedLayers layers({});
  for (const docker::Layer& layer : opened.value().catalog.layers) {
    auto bytes = opened.value().blobs->Open(layer.file);
    ASSERT_TRUE(bytes.ok());
    const auto added = layers.Add(layer, std::move(bytes).value(),
                                  [](std::span<const std::byte> /*piece*/) { return Result<>(Done{}); });
    ASSERT_TRUE(added.ok()) << added.error().Describe();
  }
  ASSERT_EQ(layers.size(), 2U);
  for (const std::size_t layer : {0U, 1U}) {
    ReadByAll(AsBytes(layer == 0 ? gzip.tar : zstd.tar),
              [&](std::size_t at, std::span<std::byte> out) { return layers.ReadAt(layer, at, out); });
  }
}

TEST(WrappedThreads, ReadStreamsAnywhere) {
  const std::string content = Content(kLength);
  for (const bool gzip : {true, false}) {
    const auto stored = std::make_shared<MemoryStorage>("disk", AsBytes(gzip ? Gzip(content) : Zstd(content)));
    const auto unpacked =
        codec::UnpackedStorage::Make(stored, gzip ? codec::Compression::kGzip : codec::Compression::kZstd,
                                     codec::OwnBound(codec::Compression::kZstd));
    ASSERT_TRUE(unpacked.ok()) << unpacked.error().Describe();
    ReadByAll(AsBytes(content),
              [&](std::size_t at, std::span<std::byte> out) { return unpacked.value()->ReadAt(at, out); });
  }
}

TEST(WrappedThreads, CompressLayersTheSame) {
  const auto content = AsBytes(Content(kLength));
  for (const auto compression : {docker::Compression::kGzip, docker::Compression::kZstd}) {
    std::vector<std::vector<std::byte>> written;
    for (const unsigned workers : {1U, 4U}) {
      MemoryStorage target("layer");
      docker::LayerWriter writer(target, 0, compression, workers);
      ASSERT_TRUE(writer.Add(content).ok());
      ASSERT_TRUE(writer.Finish().ok());
      written.emplace_back(target.size());
      ASSERT_TRUE(target.ReadAt(0, written.back()).ok());
    }
    EXPECT_EQ(written[0], written[1]);
  }
}

// A pipe with these bytes in it, which somebody else puts there.
class Feeder {
 public:
  explicit Feeder(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0);
    thread_ = std::thread([this] {
      for (std::size_t at = 0; at < bytes_.size();) {
        const ssize_t written = write(ends_[1], bytes_.data() + at, bytes_.size() - at);
        if (written <= 0) break;
        at += static_cast<std::size_t>(written);
      }
      close(ends_[1]);
    });
  }
  ~Feeder() {
    thread_.join();
    close(ends_[0]);
  }
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;
  int fd() const noexcept { return ends_[0]; }

 private:
  std::vector<std::byte> bytes_;
  std::array<int, 2> ends_{};
  std::thread thread_;
};

TEST(WrappedThreads, ReadAPipe) {
  const auto content = AsBytes(Content(kLength));
  const Feeder feeder(content);
  ForwardStorage pipe("pipe", feeder.fd());
  ReadByAll(content, [&](std::size_t at, std::span<std::byte> out) { return pipe.ReadAt(at, out); });
  std::byte more{};
  EXPECT_EQ(pipe.ReadAt(kLength, std::span(&more, 1)).error().kind(), ErrorKind::kIo);
  EXPECT_EQ(pipe.ReadAt(std::uint64_t{1} << 40, std::span(&more, 1)).error().kind(), ErrorKind::kUnsupported);
}

std::vector<std::byte> BytesOf(Storage& file) {
  std::vector<std::byte> bytes(file.size());
  EXPECT_TRUE(file.ReadAt(0, bytes).ok());
  return bytes;
}

// An appliance, made and read again by as many threads.
TEST(WrappedThreads, CopyADiskOutOfAPipe) {
  const Chain source = OneLayer(std::make_shared<LayoutImage>(std::vector<Layout>{
      {3 << 20, BlockStatus::kData, 'a'}, {9 << 20, BlockStatus::kZero}, {(5 << 20) + 512, BlockStatus::kData, 'b'}}));
  const Chain* const sources[] = {&source};
  const auto archive = std::make_shared<MemoryStorage>("box.ova");
  CreateRequest request;
  request.storage = archive;
  request.virtual_size = source.virtual_size();
  CopyOptions options;
  options.workers = kThreads;
  const auto writer = FindContainer("ova")->create(request, *FindFormat("vmdk"));
  ASSERT_TRUE(writer.ok()) << writer.error().Describe();
  ASSERT_TRUE(Copy(sources, *writer.value(), options).ok());
  ASSERT_TRUE(writer.value()->Finish().ok());

  const Feeder feeder(BytesOf(*archive));
  const auto appliance = ova::OpenPassing(std::make_shared<ForwardStorage>("pipe", feeder.fd()), {});
  ASSERT_TRUE(appliance.ok()) << appliance.error().Describe();
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto opened = OpenWrappedChain("pipe", *appliance.value(), 0, context);
  ASSERT_TRUE(opened.ok()) << opened.error().Describe();
  const Chain passing = opened.value().chain();
  const Chain* const passing_sources[] = {&passing};
  const auto target = std::make_shared<MemoryStorage>("disk.raw");
  request.storage = target;
  const auto raw = FindFormat("raw")->create(request);
  ASSERT_TRUE(raw.ok());
  const auto copied = Copy(passing_sources, *raw.value(), options);
  ASSERT_TRUE(copied.ok()) << copied.error().Describe();
  ASSERT_TRUE(raw.value()->Finish().ok());
  const auto finished = appliance.value()->Finish();
  ASSERT_TRUE(finished.ok()) << finished.error().Describe();
  std::vector<std::byte> expected(source.virtual_size());
  ASSERT_TRUE(source.ReadAt(0, expected).ok());
  EXPECT_EQ(BytesOf(*target), expected);
}

}  // namespace
}  // namespace platter::test
