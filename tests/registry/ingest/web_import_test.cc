// Imports of what lies on the web.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "registry-core/catalog/connection.h"
#include "registry-core/ingest/imports.h"
#include "registry-core/ingest/web_source.h"
#include "tests/registry/ingest/registry.h"
#include "tests/registry/web/network.h"
#include "tests/registry/web/web_server.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/eventually.h"

namespace platter::registry {
namespace {

using namespace std::chrono_literals;
using test::Network;

constexpr std::size_t kSize = 3'000'320;  // whole sectors

class WebImportTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Network::Enter().SetUsualHosts();
    server_ = std::make_unique<test::WebServer>();
    server_->Put("disk", Noise(kSize));
    server_->Put("empty", {});
  }
  static void TearDownTestSuite() { server_.reset(); }

  WebImportTest() : staging_(OpenStaging(home_)) { StartImports(); }

  void StartImports() {
    ImportOptions options;
    options.fetch = [this](const std::string& url, std::function<bool()> cancelled) {
      return OpenWebSource(web_, url, std::move(cancelled), pace_);
    };
    imports_.emplace(registry_.context, staging_, options);
  }
  static ImportRequest RequestOf(const ImageRecord& image, const std::string& url, UploadTargets targets = {}) {
    ImportRequest request;
    request.image = image.id;
    request.method = ImportMethod::kWeb;
    request.url = url;
    request.targets = std::move(targets);
    return request;
  }
  // What came of it.
  TaskRecord Imported(const ImageRecord& image, const std::string& url, UploadTargets targets = {}) {
    auto started = imports_->Start(RequestOf(image, url, std::move(targets)));
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().Describe());
    return Concluded(started.value().id);
  }
  TaskRecord Concluded(const std::string& id) {
    for (;;) {
      TaskRecord task = registry_.catalog->FindTask(id).value();
      if (task.status == "success" || task.status == "failure") return task;
      std::this_thread::sleep_for(5ms);
    }
  }
  // The task has failed with those words, the image is queued again, and nothing of it is left.
  void ExpectFailure(const TaskRecord& task, const std::string& image, const std::string& words) {
    EXPECT_EQ(task.status, "failure");
    EXPECT_NE(task.message.find(words), std::string::npos) << task.message;
    const ImageRecord record = registry_.catalog->Find(image).value();
    EXPECT_EQ(record.status, Status::kQueued);
    EXPECT_FALSE(record.size);
    EXPECT_TRUE(record.locations.empty());
    for (int tries = 0; tries < 2000 && registry_.Files() != 0; ++tries) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(registry_.Files(), 0U);
  }

  static inline std::unique_ptr<test::WebServer> server_;
  const test::TempDir folder_;
  const std::string home_ = folder_.path().lexically_normal().string();
  Registry registry_{home_};
  const StagingArea staging_;
  WebOptions web_;
  WebPace pace_;
  std::optional<Imports> imports_;
};

TEST_F(WebImportTest, WhatLiesOnTheWebBecomesTheImage) {
  for (const std::string way : {"file", "plain", "chunked", "until-close", "to/302?/file"}) {
    const ImageRecord image = registry_.Queued("raw");
    const TaskRecord task = Imported(image, "http://example.org/" + way + "/disk");
    EXPECT_EQ(task.status, "success") << way << ": " << task.message;
    const ImageRecord record = registry_.catalog->Find(image.id).value();
    ASSERT_EQ(record.status, Status::kActive);
    EXPECT_EQ(record.size, kSize);
    EXPECT_EQ(record.virtual_size, kSize);
    EXPECT_TRUE(test::SameBytes(test::FileBytes(record.locations.at(0).url.substr(7)), Noise(kSize)));
  }
}

TEST_F(WebImportTest, IntoSeveralStores) {
  const ImageRecord image = registry_.Queued("raw");
  EXPECT_EQ(Imported(image, "http://example.org/file/disk", {.stores = {"file", "other"}}).status, "success");
  EXPECT_EQ(registry_.catalog->Find(image.id).value().locations.size(), 2U);
}

TEST_F(WebImportTest, WhatMayNotBeFetchedIsNot) {
  const struct {
    std::string url, says;
  } kRows[] = {
      {"http://127.0.0.1/file/disk", "loopback"},
      {"http://intern.example/file/disk", "no public address"},
      {"http://example.org:8080/file/disk", "port is not allowed"},
      {"http://example.org/to/302?http://127.0.0.1/file/disk", "following a redirect"},
      {"http://example.org/to/302?http://intern.example/file/disk", "no public address"},
      {"http://example.org/to/302?http://169.254.169.254/", "link-local"},
      {"file:///etc/passwd", "does not begin with"},
  };
  for (const auto& row : kRows) {
    const ImageRecord image = registry_.Queued("raw");
    ExpectFailure(Imported(image, row.url), image.id, row.says);
  }
  web_.rules.allowed_hosts = {"intern.example"};
  EXPECT_EQ(Imported(registry_.Queued("raw"), "http://intern.example/file/disk").status, "success");
}

TEST_F(WebImportTest, WhatBreaksOffLeavesNothing) {
  for (const std::string path : {"cut/disk", "cut-chunks/disk", "status/404", "status/500", "garbage"}) {
    const ImageRecord image = registry_.Queued("raw");
    ExpectFailure(Imported(image, "http://example.org/" + path), image.id, "");
  }
  web_.patience = 200ms;
  web_.least_bytes = 1 << 20;
  const ImageRecord image = registry_.Queued("raw");
  ExpectFailure(Imported(image, "http://example.org/drip"), image.id, "bytes in");
  // And may be tried again.
  web_ = {};
  EXPECT_EQ(Imported(image, "http://example.org/file/disk").status, "success");
}

// A server that is never silent for long, and does not come to an end.
TEST_F(WebImportTest, WhatIsDrawnOutIsGivenUp) {
  const ImageRecord image = registry_.Queued("raw");
  pace_ = {.least_rate = 1000, .grace = 300ms};
  ExpectFailure(Imported(image, "http://example.org/drip"), image.id, "sends too slowly");
  // No byte of these is late.
  EXPECT_EQ(Imported(registry_.Queued("raw"), "http://example.org/file/disk").status, "success");
  pace_ = {.least_rate = 10, .grace = 0ms, .longest = 500ms};
  const TaskRecord task = Imported(image, "http://example.org/drip");
  EXPECT_EQ(task.status, "failure");
  EXPECT_NE(task.message.find("longer than downloads may"), std::string::npos) << task.message;
}

TEST_F(WebImportTest, WhatIsNotAsDeclaredIsRefused) {
  const ImageRecord image = registry_.Queued("qcow2");
  ExpectFailure(Imported(image, "http://example.org/file/disk"), image.id, "policy.format");
  // A length that says too much is refused before a byte comes.
  registry_.context.rules.max_image_bytes = 2'000'000;
  const ImageRecord large = registry_.Queued("raw");
  ExpectFailure(Imported(large, "http://example.org/file/disk"), large.id, "larger than images may be");
  const ImageRecord endless = registry_.Queued("raw");
  ExpectFailure(Imported(endless, "http://example.org/endless"), endless.id, "larger than images may be");
}

TEST_F(WebImportTest, AnEndOfTheServiceEndsWhatWaitsForAServer) {
  const ImageRecord image = registry_.Queued("raw");
  const auto task = imports_->Start(RequestOf(image, "http://example.org/silent")).value();
  ASSERT_TRUE(test::Eventually([&] { return registry_.catalog->FindTask(task.id).value().status == "processing"; }));
  const auto begun = std::chrono::steady_clock::now();
  imports_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, web_.patience);
  ExpectFailure(registry_.catalog->FindTask(task.id).value(), image.id, "cancelled");
}

TEST_F(WebImportTest, ATaskThatCannotBeToldOfIsLogged) {
  const ImageRecord image = registry_.Queued("raw");
  std::promise<TaskRecord> observed;
  ImportOptions options;
  options.fetch = [this](const std::string&, const std::function<bool()>&) -> Result<std::unique_ptr<ByteSource>> {
    const auto url = DatabaseUrl::Parse("sqlite:///" + home_ + "/registry.sqlite").value();
    EXPECT_TRUE(Connection::Open(url, 10).value()->Run(Sql("DELETE FROM tasks")).ok());
    return Error(ErrorKind::kIo, "nothing is there");
  };
  options.observe = [&observed](const TaskRecord& task, const Error*) { observed.set_value(task); };
  Imports imports(registry_.context, staging_, options);
  ASSERT_TRUE(imports.Start(RequestOf(image, "http://server/x")).ok());
  const std::string message = observed.get_future().get().message;
  EXPECT_TRUE(message.starts_with("nothing is there; its task does not say so: there is no task")) << message;
  EXPECT_EQ(registry_.StatusOf(image.id), Status::kQueued);
}

TEST_F(WebImportTest, AnEndOfTheServiceEndsInspections) {
  std::atomic<bool> inspecting = false;
  registry_.context.cancelled = [&inspecting] {
    if (!inspecting.exchange(true)) std::this_thread::sleep_for(500ms);
    return false;
  };
  const ImageRecord image = registry_.Queued("raw");
  const auto task = imports_->Start(RequestOf(image, "http://example.org/file/disk")).value();
  ASSERT_TRUE(test::Eventually([&] { return inspecting.load(); }));
  imports_.reset();
  ExpectFailure(registry_.catalog->FindTask(task.id).value(), image.id, "was stopped");
}

}  // namespace
}  // namespace platter::registry
