// An audit tells what is as recorded from what is not, whatever happens to files while it reads them.
#include "convert/hash/audit.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "convert/hash/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

using Verdict = AuditFinding::Verdict;
namespace fs = std::filesystem;

std::string Content(std::uint64_t seed, std::size_t size) {
  test::Random random(seed);
  std::string content(size, '\0');
  for (char& c : content) c = static_cast<char>(random.Next());
  return content;
}

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::string HexOf(DigestAlgorithm algorithm, const std::string& content) {
  auto digest = Digest::Make(algorithm);
  return digest.value().Of(std::as_bytes(std::span(content))).value().Hex();
}

class AuditTest : public testing::Test {
 protected:
  // A file with what is recorded of it.
  void Add(const std::string& name, std::size_t size, std::vector<DigestAlgorithm> algorithms) {
    const std::string content = Content(files_.size() + 1, size);
    AuditedFile file{folder_.File(name), {}};
    Write(file.path, content);
    for (const DigestAlgorithm algorithm : algorithms) {
      file.recorded.push_back({algorithm, HexOf(algorithm, content)});
    }
    files_.push_back(std::move(file));
  }
  Result<> Run(AuditOptions options = {}) {
    found_.clear();
    return Audit(files_, options, [&](std::size_t index, AuditFinding finding) {
      EXPECT_TRUE(found_.emplace(index, std::move(finding)).second) << "twice: " << index;
    });
  }
  Verdict VerdictOf(std::size_t index) const { return found_.at(index).verdict; }

  test::TempDir folder_;
  std::vector<AuditedFile> files_;
  std::map<std::size_t, AuditFinding> found_;
};

TEST_F(AuditTest, EveryFileIsJudgedOnceWithAnyNumberOfThreads) {
  using enum DigestAlgorithm;
  for (std::size_t i = 0; i < 150; ++i) {
    Add(std::to_string(i), i % 7 == 0 ? 300000 + i : i * 11,
        i % 2 == 0 ? std::vector{kMd5, kSha512} : std::vector{kBlake2b});
  }
  files_[5].recorded[0].hex[0] = files_[5].recorded[0].hex[0] == '0' ? '1' : '0';
  files_[8].recorded[1].hex = files_[6].recorded[1].hex;
  fs::remove(files_[9].path);
  for (const unsigned readers : {0U, 1U, 3U, 64U, 1000U}) {
    for (const unsigned hashers : {0U, 1U, 3U}) {
      ASSERT_TRUE(Run({.readers = readers, .hashers = hashers}).ok());
      ASSERT_EQ(found_.size(), files_.size());
      for (const auto& [index, finding] : found_) {
        const Verdict wanted = index == 5 || index == 8 ? Verdict::kDiffers
                               : index == 9             ? Verdict::kMissing
                                                        : Verdict::kOk;
        EXPECT_EQ(finding.verdict, wanted) << index;
        EXPECT_EQ(finding.digests.size(), wanted == Verdict::kMissing ? 0 : files_[index].recorded.size());
      }
    }
  }
}

TEST_F(AuditTest, NothingToVerify) {
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(found_.empty());
}

TEST_F(AuditTest, WhatIsNoFileIsUnreadable) {
  files_.push_back({folder_.path().string(), {{DigestAlgorithm::kMd5, ""}}});
  files_.push_back({folder_.File("fifo"), {{DigestAlgorithm::kMd5, ""}}});
  ASSERT_EQ(mkfifo(files_[1].path.c_str(), 0600), 0);
  files_.push_back({folder_.path().string() + "/fifo/below", {{DigestAlgorithm::kMd5, ""}}});
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(VerdictOf(0), Verdict::kUnreadable);
  EXPECT_EQ(VerdictOf(1), Verdict::kUnreadable);
  EXPECT_TRUE(found_.at(1).error);
  EXPECT_EQ(VerdictOf(2), Verdict::kMissing);
}

struct Meddling {
  const char* name;
  void (*meddle)(const std::string& path);
  Verdict verdict;
};
class MeddledWith : public AuditTest, public testing::WithParamInterface<Meddling> {};

// While the first of its pieces has been read, and others have not.
TEST_P(MeddledWith, IsToldFromDamage) {
  Add("meddled", 3 << 20, {DigestAlgorithm::kSha256});
  Add("left alone", 1000, {DigestAlgorithm::kSha256});
  // Its time of change differs from now, whatever the clock's steps.
  fs::last_write_time(files_[0].path, fs::file_time_type::clock::now() - std::chrono::hours(1));
  bool done = false;
  AuditOptions options{.readers = 1};
  options.progress = [&](std::uint64_t /*bytes*/) {
    if (!std::exchange(done, true)) GetParam().meddle(files_[0].path);
  };
  ASSERT_TRUE(Run(options).ok());
  EXPECT_EQ(VerdictOf(0), GetParam().verdict);
  EXPECT_EQ(VerdictOf(1), Verdict::kOk);
}

INSTANTIATE_TEST_SUITE_P(
    Audit, MeddledWith,
    testing::Values(Meddling{"NotAtAll", [](const std::string&) {}, Verdict::kOk},
                    Meddling{"Overwritten",
                             [](const std::string& path) {
                               std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(2 << 20)
                                   << "new";
                             },
                             Verdict::kChanged},
                    Meddling{
                        "Appended",
                        [](const std::string& path) { std::ofstream(path, std::ios::app | std::ios::binary) << "x"; },
                        Verdict::kChanged},
                    Meddling{"Cut", [](const std::string& path) { fs::resize_file(path, 4096); }, Verdict::kChanged},
                    Meddling{"Removed", [](const std::string& path) { fs::remove(path); }, Verdict::kMissing},
                    Meddling{"Replaced",
                             [](const std::string& path) {
                               fs::copy_file(path, path + ".new");
                               fs::rename(path + ".new", path);
                             },
                             Verdict::kChanged}),
    [](const auto& meddling) { return meddling.param.name; });

TEST_F(AuditTest, LeavesWhenItIsCancelled) {
  for (int i = 0; i < 20; ++i) Add(std::to_string(i), 1 << 20, {DigestAlgorithm::kMd5});
  std::atomic<bool> cancel = false;
  AuditOptions options{.readers = 4, .cancel = &cancel};
  options.progress = [&](std::uint64_t bytes) { cancel = bytes >= std::uint64_t{5} << 20; };
  const auto outcome = Run(options);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind(), ErrorKind::kCancelled);
  EXPECT_LT(found_.size(), files_.size());
  for (const auto& [index, finding] : found_) EXPECT_EQ(finding.verdict, Verdict::kOk) << index;
}

TEST_F(AuditTest, ProgressEndsWithAllBytes) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < 30; ++i) {
    Add(std::to_string(i), 50000 * i, {DigestAlgorithm::kSha1});
    total += 50000 * i;
  }
  std::uint64_t last = 0;
  AuditOptions options;
  options.progress = [&](std::uint64_t bytes) {
    EXPECT_GT(bytes, last);
    last = bytes;
  };
  ASSERT_TRUE(Run(options).ok());
  EXPECT_EQ(last, total);
}

}  // namespace
}  // namespace platter
