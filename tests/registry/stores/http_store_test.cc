#include "registry-core/stores/http_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "formats/inspect/inspector.h"
#include "tests/registry/web/network.h"
#include "tests/registry/web/web_server.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/noise.h"

namespace platter::registry {
namespace {

using test::FileBytes;
using test::Network;
using test::Noise;
using test::SameBytes;
using Bytes = std::vector<std::byte>;

constexpr std::size_t kSize = 9'000'001;

class HttpStoreTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Network::Enter().SetUsualHosts();
    server_ = std::make_unique<test::WebServer>();
    server_->Put("disk", Noise(kSize));
    server_->Put("small", Noise(5000));
    server_->Put("empty", {});
  }
  static void TearDownTestSuite() { server_.reset(); }

  template <class T>
  static void ExpectError(const Result<T>& result, ErrorKind kind, const std::string& words) {
    ASSERT_FALSE(result.ok()) << words;
    EXPECT_EQ(result.error().kind(), kind) << result.error().Describe();
    EXPECT_NE(result.error().Describe().find(words), std::string::npos) << result.error().Describe();
  }
  static Bytes Read(StoreReader& reader, std::uint64_t offset, std::size_t length) {
    Bytes bytes(length);
    for (std::size_t at = 0; at < length;) {
      const auto got = reader.ReadSome(offset + at, std::span(bytes).subspan(at));
      EXPECT_TRUE(got.ok()) << (got.ok() ? "" : got.error().Describe());
      if (!got.ok() || got.value() == 0) break;
      at += got.value();
    }
    return bytes;
  }
  // The answers that it took.
  static std::size_t Requests() { return server_->Requests().size(); }

  static inline std::unique_ptr<test::WebServer> server_;
  HttpStore store_{{}};
};

TEST_F(HttpStoreTest, WhatItOwns) {
  EXPECT_TRUE(store_.Owns("http://example.org/"));
  EXPECT_TRUE(store_.Owns("HTTPS://example.org/"));
  EXPECT_FALSE(store_.Owns("file:///http://"));
  EXPECT_FALSE(store_.Owns("http:/"));
  EXPECT_FALSE(store_.Owns(""));
  EXPECT_EQ(store_.name(), "http");
  EXPECT_EQ(store_.type(), "http");
}

TEST_F(HttpStoreTest, ItIsReadOnly) {
  ExpectError(store_.Put("0", 1), ErrorKind::kUnsupported, "read-only");
  ExpectError(store_.PrepareDelete("http://example.org/file/disk"), ErrorKind::kUnsupported, "read-only");
  ExpectError(store_.Delete("http://example.org/file/disk"), ErrorKind::kUnsupported, "read-only");
  ExpectError(store_.Resolve({}, true), ErrorKind::kUnsupported, "read-only");
  bool listed = false;
  EXPECT_TRUE(store_
                  .List(Store::Scope::kAll,
                        [&listed](const Store::Listed&) -> Result<> {
                          listed = true;
                          return Done{};
                        })
                  .ok());
  EXPECT_FALSE(listed);
  EXPECT_FALSE(store_.capacity());
  auto set = StoreSet::Make({std::make_shared<HttpStore>(HttpStoreOptions{})}, "http");
  ExpectError(set, ErrorKind::kInvalid, "takes no images");
}

TEST_F(HttpStoreTest, SizesTakeOneByte) {
  const std::size_t before = Requests();
  EXPECT_EQ(store_.SizeOf("http://example.org/file/disk").value(), kSize);
  EXPECT_EQ(server_->Requests().back(), "GET /file/disk bytes=0-0");
  EXPECT_EQ(Requests(), before + 1);
  EXPECT_EQ(store_.SizeOf("http://example.org/plain/disk").value(), kSize) << "a server without ranges says it, too";
  EXPECT_EQ(store_.SizeOf("http://example.org/file/empty").value(), 0U);
  EXPECT_EQ(store_.SizeOf("http://example.org/plain/empty").value(), 0U);
  ExpectError(store_.SizeOf("http://example.org/chunked/disk"), ErrorKind::kUnsupported, "how large");
  ExpectError(store_.SizeOf("http://example.org/status/404"), ErrorKind::kNotFound, "404");
}

TEST_F(HttpStoreTest, OneAnswerForWhatIsReadInOrder) {
  const Bytes disk = Noise(kSize);
  const std::size_t before = Requests();
  const auto reader = store_.Get("http://example.org/file/disk").value();
  EXPECT_EQ(reader->size(), kSize);
  EXPECT_EQ(reader->fd(), -1);
  EXPECT_TRUE(SameBytes(Read(*reader, 0, kSize), disk));
  EXPECT_EQ(Requests(), before + 1);
  Bytes more(10);
  EXPECT_EQ(reader->ReadSome(kSize, more).value(), 0U);
  for (const std::uint64_t offset : {std::uint64_t{5'000'000}, std::uint64_t{0}, std::uint64_t{kSize - 1}}) {
    const std::size_t length = std::min<std::size_t>(kSize - offset, 100'000);
    EXPECT_TRUE(SameBytes(Read(*reader, offset, length), std::span(disk).subspan(offset, length)));
  }
  EXPECT_EQ(Requests(), before + 4);
}

TEST_F(HttpStoreTest, WithoutRangesOnlyFromTheBeginning) {
  const auto reader = store_.Get("http://example.org/plain/disk").value();
  const Bytes disk = Noise(kSize);
  EXPECT_TRUE(SameBytes(Read(*reader, 0, kSize), disk));
  Bytes more(10);
  ExpectError(reader->ReadSome(5, more), ErrorKind::kUnsupported, "ranges");
  ExpectError(reader->Seek(5), ErrorKind::kUnsupported, "ranges");
  EXPECT_TRUE(reader->Seek(0).ok());
  EXPECT_TRUE(SameBytes(Read(*reader, 0, 1000), std::span(disk).first(1000)));
}

TEST_F(HttpStoreTest, AStorageReadsAnywhere) {
  const Bytes disk = Noise(kSize);
  const auto storage = store_.Open("http://example.org/file/disk").value();
  EXPECT_EQ(storage->size(), kSize);
  EXPECT_FALSE(storage->writable());
  test::Random random(20261129);
  for (int round = 0; round < 150; ++round) {
    const std::uint64_t offset = random.Below(kSize);
    Bytes bytes(1 + random.Below(std::min<std::uint64_t>(kSize - offset, random.Below(10) == 0 ? 3'000'000 : 5'000)));
    ASSERT_TRUE(storage->ReadAt(offset, bytes).ok());
    ASSERT_TRUE(SameBytes(bytes, std::span(disk).subspan(offset, bytes.size())));
  }
  Bytes bytes(2);
  ExpectError(storage->ReadAt(kSize - 1, bytes), ErrorKind::kOutOfRange, "");
}

TEST_F(HttpStoreTest, WhatIsReadInOrderTakesFewAnswers) {
  const std::size_t before = Requests();
  const auto storage = store_.Open("http://example.org/file/disk").value();
  Bytes bytes(kSize);
  for (std::size_t at = 0; at < kSize; at += 10'000) {
    ASSERT_TRUE(storage->ReadAt(at, std::span(bytes).subspan(at, std::min<std::size_t>(10'000, kSize - at))).ok());
  }
  EXPECT_TRUE(SameBytes(bytes, Noise(kSize)));
  EXPECT_LE(Requests() - before, 7U) << "256 KiB, then twice as much each time";
}

TEST_F(HttpStoreTest, ManyThreadsOneStorage) {
  const Bytes disk = Noise(kSize);
  const auto storage = store_.Open("http://example.org/file/disk").value();
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      test::Random random(number);
      for (int round = 0; round < 30; ++round) {
        const std::uint64_t offset = random.Below(kSize - 5000);
        Bytes bytes(5000);
        EXPECT_TRUE(storage->ReadAt(offset, bytes).ok());
        EXPECT_TRUE(SameBytes(bytes, std::span(disk).subspan(offset, bytes.size())));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(HttpStoreTest, SmallObjectsNeedNoRanges) {
  for (const std::string name : {"small", "empty"}) {
    const auto storage = store_.Open("http://example.org/plain/" + name);
    ASSERT_TRUE(storage.ok()) << storage.error().Describe();
    Bytes bytes(storage.value()->size());
    ASSERT_TRUE(storage.value()->ReadAt(0, bytes).ok());
    EXPECT_TRUE(SameBytes(bytes, Noise(bytes.size())));
  }
  EXPECT_EQ(store_.Open("http://example.org/file/empty").value()->size(), 0U);
  ExpectError(store_.Open("http://example.org/plain/disk"), ErrorKind::kUnsupported, "ranges");
}

TEST_F(HttpStoreTest, AnObjectThatChangesIsNoticed) {
  for (const std::string way : {"changing", "growing"}) {
    const auto storage = store_.Open("http://example.org/" + way + "/disk").value();
    Bytes bytes(10);
    EXPECT_TRUE(storage->ReadAt(0, bytes).ok());
    ExpectError(storage->ReadAt(5'000'000, bytes), ErrorKind::kIo, way == "changing" ? "changed" : "");
  }
}

TEST_F(HttpStoreTest, ARedirectIsFollowedOnce) {
  const std::size_t before = Requests();
  const auto storage = store_.Open("http://example.org/to/302?/file/disk").value();
  Bytes bytes(10);
  for (const std::uint64_t offset : {0U, 5'000'000U, 1'000'000U}) EXPECT_TRUE(storage->ReadAt(offset, bytes).ok());
  EXPECT_EQ(Requests(), before + 4);
}

TEST_F(HttpStoreTest, TheRulesGoForLocationsToo) {
  for (const std::string url : {"http://127.0.0.1/file/disk", "http://intern.example/file/disk", "http://10.1.2.3/",
                                "http://example.org:8080/file/disk", "http://user:password@example.org/file/disk",
                                "http://example.org/to/302?http://169.254.169.254/"}) {
    ExpectError(store_.SizeOf(url), ErrorKind::kDenied, "");
    ExpectError(store_.Get(url), ErrorKind::kDenied, "");
    ExpectError(store_.Open(url), ErrorKind::kDenied, "");
  }
  HttpStoreOptions options;
  options.web.rules.allowed_hosts = {"intern.example"};
  EXPECT_EQ(HttpStore(options).SizeOf("http://intern.example/file/disk").value(), kSize);
}

TEST_F(HttpStoreTest, CertificatesAsConfigured) {
  ExpectError(store_.SizeOf("https://example.org/file/disk"), ErrorKind::kIo, "certificate");
  HttpStoreOptions options;
  options.web.ca_file = server_->certificate();
  EXPECT_EQ(HttpStore(options).SizeOf("https://example.org/file/disk").value(), kSize);
  options.web.ca_file.clear();
  options.web.insecure = true;
  EXPECT_EQ(HttpStore(options).SizeOf("https://example.org/file/disk").value(), kSize);
}

// The whole way: an image is judged where it lies, as it is in a file.
TEST_F(HttpStoreTest, ImagesAreInspectedWhereTheyLie) {
  const test::TempDir folder;
  test::MustRun({"qemu-img", "create", "-f", "qcow2", folder.File("a.qcow2"), "1G"});
  test::MustRun({"qemu-io", "-c", "write -P 7 100M 20M", folder.File("a.qcow2")});
  test::MustRun({"qemu-img", "create", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", folder.File("b.qcow2")});
  for (const std::string name : {"a.qcow2", "b.qcow2"}) {
    server_->Put(name, FileBytes(folder.File(name)));
    const auto storage = store_.Open("http://example.org/file/" + name).value();
    const auto report = inspect::InspectFile(storage, {}, inspect::Depth::kFull).value();
    EXPECT_EQ(report.verdict, name == "a.qcow2" ? inspect::Verdict::kAccepted : inspect::Verdict::kRefused) << name;
    EXPECT_EQ(report.virtual_size.value_or(0) == std::uint64_t{1} << 30, name == "a.qcow2");
  }
}

}  // namespace
}  // namespace platter::registry
