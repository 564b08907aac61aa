#include "formats/qcow2/measure.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tests/qcow2/new_image.h"

namespace platter::test {
namespace {

// The number behind "key": in a flat JSON object; nothing when it is not there.
std::optional<std::uint64_t> JsonNumber(const std::string& json, const std::string& key) {
  const auto at = json.find("\"" + key + "\":");
  if (at == std::string::npos) return std::nullopt;
  return std::stoull(json.substr(at + key.size() + 3));
}

Result<Measurement> MeasureEmpty(std::uint64_t size, const std::string& options) {
  const FormatDriver& driver = *FindFormat("qcow2");
  MeasureRequest request;
  request.virtual_size = size;
  request.options = PLATTER_TRY(OptionValues::Parse(options, driver.create_options));
  return driver.measure(request);
}

void ExpectAsQemuSays(const Measurement& ours, const std::vector<std::string>& source, const std::string& options) {
  std::vector<std::string> argv = {"qemu-img", "measure", "--output=json", "-O", "qcow2"};
  if (!options.empty()) argv.insert(argv.end(), {"-o", options});
  argv.insert(argv.end(), source.begin(), source.end());
  const std::string json = MustRun(argv);
  EXPECT_EQ(ours.required, JsonNumber(json, "required")) << options << " " << source.back();
  EXPECT_EQ(ours.bitmaps, JsonNumber(json, "bitmaps")) << options << " " << source.back();
  EXPECT_EQ(ours.fully_allocated, JsonNumber(json, "fully-allocated")) << options << " " << source.back();
}

TEST(Measure, EqualsQemuForEmptyDisks) {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t cluster_bits = 9 + random.Below(13);
    std::string options = fmt::format("cluster_size={},refcount_bits={}", 1 << cluster_bits, 1 << random.Below(7));
    if (cluster_bits >= 14 && random.Below(2) == 0) options += ",extended_l2=on";
    options += random.Pick(std::array{"", ",preallocation=metadata", ",preallocation=falloc", ",preallocation=full",
                                      ",lazy_refcounts=on", ",compression_type=zstd"});
    const std::uint64_t size =
        random.Next() >> (64 - random.Below(std::min<std::uint64_t>(cluster_bits * 2 + 18, 48)) - 1);
    const auto ours = MeasureEmpty(size, options);
    ASSERT_TRUE(ours.ok()) << options << " " << size << ": " << ours.error().Describe();
    ExpectAsQemuSays(ours.value(), {"--size", std::to_string(size)}, options);
  }
}

TEST(Measure, EqualsQemuAtTheEdges) {
  for (const char* options : {"", "compat=0.10", "data_file=x", "data_file=x,data_file_raw=on", "cluster_size=512"}) {
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{65536}, std::uint64_t{65537},
                                     std::uint64_t{1} << 29, (std::uint64_t{1} << 29) + 1, std::uint64_t{1} << 37}) {
      const auto ours = MeasureEmpty(size, options);
      ASSERT_TRUE(ours.ok()) << ours.error().Describe();
      ExpectAsQemuSays(ours.value(), {"--size", std::to_string(size)}, options);
    }
  }
}

// Data is counted by the target's clusters, whatever the source's are; bitmaps on top.
TEST(Measure, EqualsQemuForASource) {
  const TempDir folder;
  const GuestDisk disk = RandomGuest(8, (std::uint64_t{6} << 20) + 1536, 4096);
  for (const char* made_with : {"", "cluster_size=4k", "extended_l2=on,cluster_size=16k", "preallocation=metadata"}) {
    const std::string source = folder.File("source.qcow2");
    ExpectWritten(WriteImage(OpenFile(source), disk, made_with));
    MustRun({"qemu-img", "bitmap", "--add", "-g", "512", source, "one"});
    MustRun({"qemu-img", "bitmap", "--add", "-g", "64k", source, "two"});
    DenyGate gate;
    OpenContext context;
    context.gate = &gate;
    const auto image = FindFormat("qcow2")->open(OpenFile(source, FileMode::Access::kRead), context);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    const Chain chain({image.value()});
    for (const char* options : {"", "cluster_size=512", "cluster_size=2M", "compat=0.10", "preallocation=full",
                                "preallocation=metadata", "backing_file=x", "data_file=x"}) {
      MeasureRequest request;
      request.virtual_size = disk.size;
      request.options = OptionValues::Parse(options, FindFormat("qcow2")->create_options).value();
      request.source = &chain;
      const auto ours = FindFormat("qcow2")->measure(request);
      ASSERT_TRUE(ours.ok()) << ours.error().Describe();
      SCOPED_TRACE(made_with);
      ExpectAsQemuSays(ours.value(), {source}, options);
    }
    std::filesystem::remove(source);
  }
}

TEST(Measure, RefusesWhatTheFormatCannotHold) {
  const auto ours = MeasureEmpty((std::uint64_t{1} << 37) + 1, "cluster_size=512");
  ASSERT_FALSE(ours.ok());
  EXPECT_EQ(ours.error().kind(), ErrorKind::kInvalid);
}

}  // namespace
}  // namespace platter::test
