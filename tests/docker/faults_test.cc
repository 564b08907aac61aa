// Every read and every write of flatten and wrap failing once: the host's error comes through, and nothing else.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "convert/copy/copy.h"
#include "convert/docker/flatten.h"
#include "convert/docker/wrap.h"
#include "formats/containers/docker/archive.h"
#include "formats/core/chain.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/core/reference.h"
#include "formats/ext/file_system.h"
#include "formats/format_table.h"
#include "tests/containers/docker_bytes.h"
#include "tests/containers/tar_bytes.h"

namespace platter::test {
namespace {

// Two layers, gzip and zstd, with a file that takes more than one read.
std::shared_ptr<Storage> Archive() {
  ImageText image;
  std::string large(300000, '\0');
  for (std::size_t at = 0; at < large.size(); ++at) large[at] = static_cast<char>(at * 2654435761U >> 13);
  LayerText lower = SmallLayer("usr/data", large);
  lower.stored = Gzip(lower.tar);
  lower.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
  LayerText upper = SmallLayer();
  upper.stored = Zstd(upper.tar);
  upper.media_type = "application/vnd.oci.image.layer.v1.tar+zstd";
  image.layers = {lower, upper};
  return std::make_shared<MemoryStorage>("image.tar", AsBytes(TarOf(image.Both())));
}

// The raw disk that `archive` gives.
Result<std::vector<std::byte>> FlattenOnce(const std::shared_ptr<Storage>& archive) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  const auto opened = PLATTER_TRY(docker::OpenArchive(archive, context));
  const auto flattened = PLATTER_TRY(docker::Flatten(opened.catalog, opened.catalog.images.front(), *opened.blobs, {}));
  Storage& volume = *flattened.volume.bytes;
  std::vector<std::byte> bytes(volume.size());
  PLATTER_CHECK(volume.ReadAt(0, bytes));
  return bytes;
}

// `work` with each call failing in turn, until it goes through; how many had to.
template <class Work>
std::uint64_t FailEach(Work work) {
  for (std::uint64_t failed = 0; failed < 100000; ++failed) {
    const auto done = work(failed);
    if (done.ok()) return failed;
    EXPECT_EQ(done.error().kind(), ErrorKind::kIo) << failed << ": " << done.error().Describe();
  }
  return 0;
}

TEST(FlattenFaults, OfReadsComeThrough) {
  const auto archive = Archive();
  const auto whole = FlattenOnce(archive);
  ASSERT_TRUE(whole.ok()) << whole.error().Describe();
  const std::uint64_t failed = FailEach([&](std::uint64_t call) -> Result<> {
    const auto faulty = std::make_shared<FaultyStorage>(archive, FaultPlan{.fail_read = call});
    const auto bytes = PLATTER_TRY(FlattenOnce(faulty));
    EXPECT_EQ(bytes, whole.value());
    return Done{};
  });
  EXPECT_GE(failed, 10U);
}

// The disk itself is written as any other: through a copy, which must not call it finished when it is not.
TEST(FlattenFaults, OfWritesComeThrough) {
  const auto archive = Archive();
  const auto raw = FlattenOnce(archive);
  ASSERT_TRUE(raw.ok());
  const auto volume = std::make_shared<MemoryStorage>("volume", raw.value());
  const std::uint64_t failed = FailEach([&](std::uint64_t call) -> Result<> {
    const auto target =
        std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("disk"), FaultPlan{.fail_write = call});
    DenyGate gate;
    OpenContext context;
    context.gate = &gate;
    const Chain chain({PLATTER_TRY(FindFormat("raw")->open(volume, context))});
    CreateRequest request;
    request.storage = target;
    request.virtual_size = chain.virtual_size();
    const auto writer = PLATTER_TRY(FindFormat("qcow2")->create(request));
    const Chain* source = &chain;
    CopyOptions options;
    options.workers = 1;
    PLATTER_CHECK(Copy(std::span(&source, 1), *writer, options));
    return writer->Finish();
  });
  EXPECT_GE(failed, 5U);
}

Result<> WrapOnce(const std::shared_ptr<Storage>& volume, docker::Compression compression,
                  const std::shared_ptr<Storage>& target) {
  const auto files = PLATTER_TRY(ext::FileSystem::Open(volume));
  docker::WrapRequest request;
  request.tags = {"name:tag"};
  request.config.os = "linux";
  request.config.architecture = "amd64";
  request.compression = compression;
  request.workers = 2;
  PLATTER_CHECK(docker::Wrap(*files, request, *target));
  return Done{};
}

TEST(WrapFaults, OfReadsAndWritesComeThrough) {
  const auto raw = FlattenOnce(Archive());
  ASSERT_TRUE(raw.ok());
  const auto volume = std::make_shared<MemoryStorage>("volume", raw.value());
  for (const auto compression : {docker::Compression::kGzip, docker::Compression::kZstd, docker::Compression::kNone}) {
    const std::uint64_t reads = FailEach([&](std::uint64_t call) {
      return WrapOnce(std::make_shared<FaultyStorage>(volume, FaultPlan{.fail_read = call}), compression,
                      std::make_shared<MemoryStorage>("image.tar"));
    });
    EXPECT_GE(reads, 3U);
    std::vector<std::uint64_t> written;
    for (const bool torn : {false, true}) {
      written.push_back(FailEach([&](std::uint64_t call) {
        FaultPlan plan;
        (torn ? plan.torn_write : plan.fail_write) = call;
        return WrapOnce(volume, compression,
                        std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("image.tar"), plan));
      }));
      EXPECT_GE(written.back(), 5U);
    }
    // A full disk.
    const auto full = WrapOnce(
        volume, compression,
        std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("image.tar"), FaultPlan{.capacity = 4096}));
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().kind(), ErrorKind::kIo);
  }
}

}  // namespace
}  // namespace platter::test
