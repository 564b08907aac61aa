// `convert` and `compare` beside the real qemu-img: the same exit code, the same output, the same image.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

// One folder per tool with the same files in it, and ours called by qemu-img's name.
class BesideQemu : public testing::Test {
 protected:
  BesideQemu() {
    for (const char* tool : {"ours", "theirs"}) {
      folder_ = top_.File(tool);
      std::filesystem::create_directory(folder_);
      MakeFiles();
    }
    std::filesystem::create_symlink(PLATTER_TOOL, top_.File("qemu-img"));
  }

  void MakeFiles() {
    test::WriteRawFile(test::RandomGuest(1, 3 * kMiB), folder_ + "/a.raw");
    test::WriteRawFile(test::RandomGuest(2, kMiB + 512), folder_ + "/b.raw");
    Make("create -q -f qcow2 base.qcow2 3M");
    Make("convert -f raw -O qcow2 a.raw snap.qcow2");
    Make("snapshot -c s1 snap.qcow2");
    Make("bitmap --add snap.qcow2 b0");
    Make("create -q -f qcow2 small.qcow2 1M");
    Make("create -q -f raw existing.raw 4M");
  }
  void Make(const std::string& arguments) {
    std::vector<std::string> argv{"qemu-img"};
    std::ranges::copy(Words(arguments), std::back_inserter(argv));
    test::MustRun(argv, {.folder = folder_, .environment = {}, .merge_streams = false});
  }
  test::CommandResult Run(const std::string& tool, const std::string& arguments) {
    std::vector<std::string> argv{tool == "ours" ? top_.File("qemu-img") : "qemu-img"};
    std::ranges::copy(Words(arguments), std::back_inserter(argv));
    return test::RunCommand(argv, {.folder = top_.File(tool), .environment = {}, .merge_streams = false});
  }
  // "no image", or the digest of what the guest of `out` reads.
  std::string Describe(const std::string& tool) {
    const std::string out = top_.File(tool) + "/out";
    if (!std::filesystem::exists(out)) return "no image";
    test::MustRun({"qemu-img", "convert", "-O", "raw", out, out + ".raw"});
    return test::Sha256OfFile(out + ".raw");
  }

  test::TempDir top_;
  std::string folder_;
};

struct OracleCase {
  const char* arguments;
  bool same_message = true;  // false: both complain, each in its own words
  friend std::ostream& operator<<(std::ostream& out, const OracleCase& test) { return out << test.arguments; }
};

class ConvertBesideQemu : public BesideQemu, public testing::WithParamInterface<OracleCase> {};

TEST_P(ConvertBesideQemu, DoesTheSame) {
  const test::CommandResult ours = Run("ours", GetParam().arguments);
  const test::CommandResult theirs = Run("theirs", GetParam().arguments);
  EXPECT_EQ(ours.exit_code, theirs.exit_code) << ours.err << theirs.err;
  EXPECT_EQ(ours.out, theirs.out);
  if (GetParam().same_message) {
    EXPECT_EQ(ours.err, theirs.err);
  }
  if (ours.exit_code != 0) return;
  EXPECT_EQ(Describe("ours"), Describe("theirs"));
  const std::string image = top_.File("ours") + "/out";
  if (std::filesystem::exists(image)) {
    const int check = test::RunCommand({"qemu-img", "check", "-q", image}).exit_code;
    EXPECT_TRUE(check == 0 || check == 63) << "63: raw cannot be checked";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Conversions, ConvertBesideQemu,
    testing::Values(OracleCase{"convert a.raw out"}, OracleCase{"convert -f raw -O qcow2 a.raw out"},
                    OracleCase{"convert -C -f raw -O qcow2 a.raw out"}, OracleCase{"convert -c -O qcow2 a.raw out"},
                    OracleCase{"convert -W -m 3 a.raw b.raw out"},
                    OracleCase{"convert -O qcow2 -o cluster_size=2M a.raw b.raw out"},
                    OracleCase{"convert -O qcow2 -o extended_l2=on,cluster_size=128k a.raw out"},
                    OracleCase{"convert -O qcow2 -o compat=0.10 a.raw out"},
                    OracleCase{"convert -O qcow2 -o preallocation=full a.raw out"},
                    OracleCase{"convert -S 0 -O qcow2 a.raw out"}, OracleCase{"convert -S 64k a.raw out"},
                    OracleCase{"convert -l s1 -O qcow2 snap.qcow2 out"},
                    OracleCase{"convert -l snapshot.name=s1 snap.qcow2 out"},
                    OracleCase{"convert --bitmaps -O qcow2 snap.qcow2 out"},
                    OracleCase{"convert -B base.qcow2 -F qcow2 -O qcow2 a.raw out"},
                    OracleCase{"convert -n a.raw existing.raw"}, OracleCase{"convert -n -f raw b.raw existing.raw"},
                    OracleCase{"convert -n --target-is-zero a.raw existing.raw"},
                    OracleCase{"convert --target-image-opts -n a.raw driver=raw,file.filename=existing.raw"},
                    OracleCase{"convert --image-opts driver=raw,file.filename=a.raw out"},
                    OracleCase{"convert -t none -T none a.raw out"}, OracleCase{"convert -r 100M -U a.raw out"},
                    OracleCase{"convert -o help a.raw out"}));

INSTANTIATE_TEST_SUITE_P(
    Refusals, ConvertBesideQemu,
    testing::Values(
        OracleCase{"convert"}, OracleCase{"convert a.raw"}, OracleCase{"convert -n -o size=1M a.raw existing.raw"},
        OracleCase{"convert -c a.raw out"}, OracleCase{"convert -B base.qcow2 -O qcow2 a.raw out"},
        OracleCase{"convert -B base.qcow2 -F raw -O raw a.raw out"}, OracleCase{"convert --target-is-zero a.raw out"},
        OracleCase{"convert -C -S 4k a.raw out"}, OracleCase{"convert -C -c -O qcow2 a.raw out"},
        OracleCase{"convert --salvage -C a.raw out"}, OracleCase{"convert -m 0 a.raw out"},
        OracleCase{"convert -m 17 a.raw out"}, OracleCase{"convert -t bla a.raw out"},
        OracleCase{"convert -T bla a.raw out"}, OracleCase{"convert -S 100 a.raw out"},
        OracleCase{"convert -S 17M a.raw out"}, OracleCase{"convert -S x a.raw out"},
        OracleCase{"convert -r x a.raw out"}, OracleCase{"convert -O bla a.raw out"},
        OracleCase{"convert -f bla a.raw out"}, OracleCase{"convert nofile out"}, OracleCase{"convert a.raw a.raw"},
        OracleCase{"convert -n a.raw a.raw"}, OracleCase{"convert -o bla=1 a.raw out"},
        OracleCase{"convert -x a.raw out"}, OracleCase{"convert -l snapshot.bla=x snap.qcow2 out"},
        OracleCase{"convert -l zz snap.qcow2 out"}, OracleCase{"convert -l s1 snap.qcow2 a.raw out"},
        OracleCase{"convert -B base.qcow2 -F qcow2 -O qcow2 a.raw b.raw out"},
        OracleCase{"convert -n -O qcow2 a.raw small.qcow2"}, OracleCase{"convert --bitmaps -O qcow2 a.raw out"},
        OracleCase{"convert --bitmaps snap.qcow2 out"}, OracleCase{"convert --bitmaps -O qcow2 snap.qcow2 a.raw out"},
        OracleCase{"convert --skip-broken-bitmaps -O qcow2 snap.qcow2 out"},
        OracleCase{"convert --target-image-opts a.raw driver=raw,file.filename=existing.raw"},
        OracleCase{"convert -c -O qcow2 -o preallocation=full a.raw out"},
        OracleCase{"convert -O qcow2 -o cluster_size=3 a.raw out", false},
        OracleCase{"convert -O qcow2 -o encrypt.format=luks a.raw out", false},
        OracleCase{"convert a.raw nofolder/out", false}));

INSTANTIATE_TEST_SUITE_P(
    Comparisons, ConvertBesideQemu,
    testing::Values(OracleCase{"compare a.raw snap.qcow2"}, OracleCase{"compare -s a.raw snap.qcow2"},
                    OracleCase{"compare -p a.raw b.raw"}, OracleCase{"compare -f raw -F raw a.raw b.raw"},
                    OracleCase{"compare -s a.raw b.raw"}, OracleCase{"compare -q a.raw b.raw"},
                    OracleCase{"compare base.qcow2 small.qcow2"}, OracleCase{"compare base.qcow2 a.raw"},
                    OracleCase{"compare existing.raw base.qcow2"}, OracleCase{"compare a.raw"},
                    OracleCase{"compare nofile a.raw"}, OracleCase{"compare -T bla a.raw a.raw"},
                    OracleCase{"compare -f bla a.raw a.raw"}, OracleCase{"compare -x a.raw a.raw"}));

// What is left behind when a conversion fails: nothing that looks like an image.
TEST_F(BesideQemu, AFailedConversionTakesItsFilesAway) {
  const test::CommandOptions options{.folder = top_.File("ours"), .environment = {}, .merge_streams = false};
  // The host allows files of 1 MiB: the disk's data does not fit.
  const std::string limited = "ulimit -f 2048; exec " + top_.File("qemu-img") + " convert ";
  EXPECT_EQ(test::RunCommand({"sh", "-c", limited + "a.raw out"}, options).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(options.folder + "/out"));
  EXPECT_EQ(test::RunCommand({"sh", "-c", limited + "-O qcow2 a.raw out"}, options).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(options.folder + "/out"));
  EXPECT_EQ(test::RunCommand({"sh", "-c", limited + "a.raw existing.raw"}, options).exit_code, 1);
  EXPECT_EQ(std::filesystem::file_size(options.folder + "/existing.raw"), 0U);
}

TEST_F(BesideQemu, ADamagedSourceLeavesTheTargetAlone) {
  std::filesystem::resize_file(top_.File("ours") + "/snap.qcow2", 300000);
  EXPECT_EQ(Run("ours", "convert snap.qcow2 out").exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(top_.File("ours") + "/out"));
}

TEST_F(BesideQemu, ASourceIsNotWrittenOnWithoutLocksEither) {
  EXPECT_EQ(Run("ours", "convert -U a.raw a.raw").exit_code, 1);
  EXPECT_EQ(std::filesystem::file_size(top_.File("ours") + "/a.raw"), 3 * kMiB);
}

}  // namespace
}  // namespace platter
