// Docker archives and image layouts as they should be, from a file at both depths and from a stream in any pieces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "formats/core/memory_budget.h"
#include "tests/containers/docker_bytes.h"
#include "tests/containers/tar_bytes.h"
#include "tests/inspect/docker_images.h"
#include "tests/inspect/inspections.h"

namespace platter::test {
namespace {

using inspect::Depth;
using inspect::Verdict;

inspect::Options DeclaredDocker() {
  inspect::Options options;
  options.policy.expected_container = "docker";
  options.policy.expected_disk = "raw";
  return options;
}

// Longer than a stream holds.
ImageText LargeImage() {
  std::string noise(700000, '\0');
  std::uint32_t state = 1;
  for (char& byte : noise) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  ImageText image;
  image.layers = {SmallLayer("a", noise), SmallLayer("b", noise + "b"), SmallLayer("c")};
  for (std::size_t at = 1; at < image.layers.size(); ++at) {
    image.layers[at].stored = Gzip(image.layers[at].tar);
    image.layers[at].media_type += "+gzip";
  }
  return image;
}

TEST(SoundDocker, IsAcceptedOnceItsLayersHaveBeenRead) {
  for (const ImageText& image : {ImageText(), LargeImage()}) {
    std::uint64_t unpacked = 0;
    for (const LayerText& layer : image.layers) unpacked += layer.tar.size();
    for (const auto& files : {image.Saved(), image.Layout(), image.Both()}) {
      for (const bool backwards : {false, true}) {
        const Bytes archive = ToBytes(TarOf(backwards ? ImageText::Files(files.rbegin(), files.rend()) : files));
        const inspect::Report full = InspectBytes(archive, DeclaredDocker(), Depth::kFull);
        EXPECT_EQ(full.verdict, Verdict::kAccepted) << Text(full);
        EXPECT_TRUE(full.findings.empty()) << Text(full);
        EXPECT_EQ(full.container, "docker");
        EXPECT_EQ(full.virtual_size, unpacked);
        const inspect::Report report = InspectBytes(archive, DeclaredDocker(), Depth::kStreaming);
        EXPECT_EQ(report.verdict, Verdict::kUndecided) << Text(report);
        ASSERT_EQ(report.findings.size(), 1U) << Text(report);
        EXPECT_EQ(report.findings[0].code, "docker.layers_unseen");
        for (const std::size_t piece : {std::size_t{4099}, std::size_t{1} << 20, std::size_t{1} << 24}) {
          EXPECT_EQ(Text(InspectStream(archive, DeclaredDocker(), piece)), Text(report)) << "in pieces of " << piece;
        }
      }
    }
  }
}

TEST(SoundDocker, IsNothingElse) {
  const Bytes archive = ToBytes(TarOf(ImageText().Both()));
  for (const char* container : {"bare", "ova", "ovf", "compressed"}) {
    inspect::Options options;
    options.policy.expected_container = container;
    const inspect::Report report = InspectBytes(archive, options, Depth::kFull);
    EXPECT_EQ(report.verdict, Verdict::kRefused) << container;
    EXPECT_NE(FindCode(report, "policy.container"), nullptr) << Text(report);
  }
}

// The unpacked size is what a policy's limits are for.
TEST(SoundDocker, HasToFitThePolicy) {
  const Bytes archive = ToBytes(TarOf(LargeImage().Both()));
  inspect::Options options = DeclaredDocker();
  options.policy.max_virtual_size = 1000000;
  const inspect::Report report = InspectBytes(archive, options, Depth::kFull);
  EXPECT_EQ(report.verdict, Verdict::kRefused);
  EXPECT_NE(FindCode(report, "policy.virtual_size"), nullptr) << Text(report);
}

// A policy that allows one concern still sees the other behind many of it, of members and of what is in the layers.
TEST(HostileDocker, ManyFindingsHideNoOther) {
  std::string many;
  for (int at = 0; at < 100; ++at) many += TarMember({.name = "../a" + std::to_string(at)});
  many += TarArchive({TarMember({.name = ""})});
  ImageText image;
  const std::string sound = TarOf(image.Both());
  image.layers[0].tar = image.layers[0].stored = many;
  inspect::Options options = DeclaredDocker();
  options.policy.allow_references = true;
  for (const auto& row : {std::pair(TarOf(image.Both()), "docker.layer_name"),
                          std::pair(sound.substr(0, sound.size() - 1024) + many, "tar.name")}) {
    const inspect::Report report = InspectBytes(ToBytes(row.first), options, Depth::kFull);
    EXPECT_EQ(report.verdict, Verdict::kRefused) << Text(report);
    const auto with = [&](Concern concern) {
      return std::ranges::count_if(report.findings, [&](const Finding& finding) {
        return finding.code == row.second && finding.concern == concern;
      });
    };
    EXPECT_EQ(with(Concern::kReference), 8) << Text(report);
    EXPECT_EQ(with(Concern::kAmbiguous), 1) << Text(report);
  }
}

// What unpacks as it should in a container's own root.
TEST(SoundDocker, LayersMayHaveLinksAndWhiteouts) {
  ImageText image;
  image.layers[0].tar = TarArchive(
      {TarMember({.name = "bin", .type = '2', .link = "usr/bin"}),
       TarMember({.name = "etc/mtab", .type = '2', .link = "/proc/mounts"}),
       TarMember({.name = "usr/bin/", .type = '5'}), TarMember({.name = "usr/bin/a", .content = "a"}),
       TarMember({.name = "usr/bin/b", .type = '1', .link = "usr/bin/a"}), TarMember({.name = "run/pipe", .type = '6'}),
       TarMember({.name = "usr/.wh.gone"}), TarMember({.name = "opt/.wh..wh..opq"})});
  const inspect::Report report = InspectBytes(ToBytes(TarOf(image.Layout())), DeclaredDocker(), Depth::kFull);
  EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
}

// Of several platforms, manifest.json has one.
TEST(SoundDocker, MayBeForSeveralPlatforms) {
  const inspect::Report report = InspectBytes(ImageOfTwoPlatforms("arm64"), DeclaredDocker(), Depth::kFull);
  EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
  EXPECT_NE(FindCode(report, "docker.several_images"), nullptr) << Text(report);
}

// A chart, as helm packs it, with a name of its own.
TEST(SoundDocker, MayHaveArtifactsBesideIt) {
  ImageText chart;
  chart.layers[0].media_type = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
  chart.config_type = "application/vnd.cncf.helm.config.v1+json";
  chart.tag = "chart";
  const ImageText image;
  ImageText::Files files;
  for (const auto& file : chart.Layout()) {
    if (file.first.starts_with("blobs/")) files.push_back(file);
  }
  for (const auto& [name, text] : image.Layout()) {
    if (name != "index.json" &&
        std::ranges::find(files, name, &std::pair<std::string, std::string>::first) == files.end())
      files.emplace_back(name, text);
  }
  const auto listed = [](const ImageText& one) {
    for (const auto& [name, text] : one.Layout()) {
      if (name == "index.json") return text.substr(text.find('[') + 1, text.rfind(']') - text.find('[') - 1);
    }
    return std::string();
  };
  files.emplace_back("index.json", R"({"schemaVersion":2,"manifests":[)" + listed(image) + "," + listed(chart) + "]}");
  const inspect::Report report = InspectBytes(ToBytes(TarOf(files)), DeclaredDocker(), Depth::kFull);
  EXPECT_EQ(report.verdict, Verdict::kAccepted) << Text(report);
  EXPECT_NE(FindCode(report, "docker.artifact"), nullptr) << Text(report);
}

// Every pass over a layer counts, and takes no more than there is.
TEST(SoundDocker, LayersAreUnpackedWithinTheBudget) {
  ImageText image;
  image.layers[0].stored = Zstd(image.layers[0].tar);
  image.layers[0].media_type += "+zstd";
  const Bytes archive = ToBytes(TarOf(image.Layout()));
  std::uint64_t unpacked = 0;
  MemoryBudget memory(std::uint64_t{256} << 20);
  bool held = true;
  inspect::Options options = DeclaredDocker();
  options.unpacking.memory = &memory;
  options.unpacking.tally = [&](std::uint64_t bytes) {
    unpacked += bytes;
    held = held && memory.used() != 0;
  };
  EXPECT_EQ(InspectBytes(archive, options, Depth::kFull).verdict, Verdict::kAccepted);
  EXPECT_TRUE(held);
  EXPECT_EQ(unpacked, 2 * image.layers[0].tar.size());
  EXPECT_EQ(memory.used(), 0U);
}

struct LayerThreat : testing::TestWithParam<Appliance> {};

TEST_P(LayerThreat, IsNamedAndRefusedAtFullDepth) {
  const Bytes archive = GetParam().make();
  const inspect::Report report = InspectBytes(archive, DeclaredDocker(), Depth::kFull);
  const Finding* finding = FindCode(report, GetParam().code);
  ASSERT_NE(finding, nullptr) << Text(report);
  EXPECT_GE(finding->severity, Severity::kUnsafe) << Text(report);
  if (!GetParam().cve.empty()) {
    EXPECT_THAT(finding->cves, testing::Contains(GetParam().cve));
  }
  EXPECT_EQ(report.verdict, Verdict::kRefused) << Text(report);
  EXPECT_EQ(InspectStream(archive, DeclaredDocker(), 65536).verdict, Verdict::kUndecided);
}

INSTANTIATE_TEST_SUITE_P(Layer, LayerThreat, testing::ValuesIn(HostileLayers()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace platter::test
