// Container images: made by umoci and skopeo, and by hand; what is in them, and what is refused.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "formats/container_table.h"
#include "formats/containers/docker/digest.h"
#include "formats/containers/docker/json.h"
#include "formats/containers/docker/layer_stream.h"
#include "formats/containers/docker/manifest.h"
#include "formats/containers/docker/unpacked_storage.h"
#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/core/reference.h"
#include "tests/containers/docker_bytes.h"
#include "tests/containers/tar_bytes.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

using testing::HasSubstr;

const std::string kTool = PLATTER_TOOL;

std::shared_ptr<MemoryStorage> Stored(std::string_view text, const std::string& name = "a.tar") {
  return std::make_shared<MemoryStorage>(name, AsBytes(text));
}

Result<std::unique_ptr<Container>> OpenText(std::string_view archive) {
  static DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  return FindContainer("docker")->open(Stored(archive), context);
}

std::string TextAt(const Detail& detail, std::string_view key) {
  return std::get<std::string>(detail.Find(key)->value());
}

// All that the stream gives, in pieces of a size that fits nothing; or what it says instead.
std::string ReadAll(std::string_view stored) {
  auto stream = docker::LayerStream::Open(Stored(stored), nullptr);
  if (!stream.ok()) return stream.error().Describe();
  std::string text;
  std::vector<std::byte> piece(1013);
  while (true) {
    const auto length = stream.value()->Read(piece);
    if (!length.ok()) return length.error().Describe();
    text.append(reinterpret_cast<const char*>(piece.data()), length.value());
    if (length.value() < piece.size()) return text;
  }
}

std::string SomeText() {
  std::string text;
  for (int line = 0; line < 40000; ++line) text += fmt::format("line {} of a file, {}\n", line, line * 7919 % 1000);
  return text;
}

TEST(LayerStream, ReadsEveryWayOfCompression) {
  const std::string text = SomeText();
  EXPECT_EQ(ReadAll(""), "");
  EXPECT_EQ(ReadAll(text), text);
  EXPECT_EQ(ReadAll(Gzip(text)), text);
  EXPECT_EQ(ReadAll(Zstd(text)), text);
  EXPECT_EQ(ReadAll(Gzip("")), "");
  // Members and frames one behind the other, as parallel programs write them.
  std::string gzip;
  std::string zstd;
  std::string whole;
  for (std::size_t at = 0; at < text.size(); at += 10007) {
    const std::string part = text.substr(at, 10007);
    gzip += Gzip(part);
    zstd += Zstd(part);
    whole += part;
  }
  EXPECT_EQ(ReadAll(gzip + Gzip("")), whole);
  EXPECT_EQ(ReadAll(zstd), whole);
  // Frames to be skipped, as pzstd writes them.
  const std::string skipped("\x5A\x2A\x4D\x18\4\0\0\0abcd", 12);
  EXPECT_EQ(ReadAll(skipped + Zstd(text)), text);
  EXPECT_EQ(ReadAll(skipped + skipped + Zstd(text) + skipped + Zstd(text)), text + text);
}

TEST(LayerStream, NamesDamage) {
  const std::string text = SomeText();
  for (const auto& compress : {Gzip, Zstd}) {
    const std::string stored = compress(text);
    for (const std::size_t length : {stored.size() - 1, stored.size() / 2, std::size_t{9}}) {
      EXPECT_THAT(ReadAll(stored.substr(0, length)), HasSubstr("layer ends within")) << length;
    }
    EXPECT_THAT(ReadAll(stored + "rubbish behind it"), HasSubstr("stream is damaged"));
    std::string changed = stored;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    EXPECT_NE(ReadAll(changed), text);
  }
  std::string checksum = Gzip(text);
  checksum[checksum.size() - 8] = static_cast<char>(checksum[checksum.size() - 8] ^ 1);
  EXPECT_THAT(ReadAll(checksum), HasSubstr("checksum"));
  EXPECT_THAT(ReadAll("BZh91AY&SY"), HasSubstr("found bzip2"));
  EXPECT_THAT(ReadAll("\xFD"
                      "7zXZ"),
              HasSubstr("found xz"));
  // A frame that asks for 2 GiB of memory (RFC 8878, 3.1.1.1.2).
  EXPECT_THAT(ReadAll(std::string("\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00", 9)), HasSubstr("window"));
  // One that promises 131328 bytes and has none (3.1.1.1.4).
  EXPECT_THAT(ReadAll(std::string("\x28\xB5\x2F\xFD\x64\xA0\xFF\x01\x00\x00\x99\xE9\xD8\x51", 14)),
              HasSubstr("fewer bytes"));
}

TEST(UnpackedStorage, ReadsBackwardsToo) {
  const std::string text = SomeText();
  for (const std::string& stored : {Gzip(text), Zstd(text)}) {
    docker::UnpackedStorage storage(Stored(stored), text.size());
    for (const std::size_t at : {std::size_t{0}, text.size() - 100, std::size_t{200000}, std::size_t{199000},
                                 std::size_t{5}, text.size() / 2}) {
      std::string part(100, '\0');
      ASSERT_TRUE(storage.ReadAt(at, std::as_writable_bytes(std::span(part))).ok());
      EXPECT_EQ(part, text.substr(at, 100)) << at;
    }
  }
}

struct Document {
  std::string text;
  std::string error;  // "" where it is fine
};

TEST(Json, IsReadWithinBounds) {
  const std::string deep(200, '[');
  const std::vector<Document> documents = {
      {R"({"a":1,"b":[{"a":2}]})", ""},
      {"", "not a JSON document"},
      {"{} {}", "not a JSON document"},
      {R"({"a":1,})", "not a JSON document"},
      {"\xFF", "not a JSON document"},
      {deep, "nests deeper"},
      {R"({"a":1,"a":2})", "two members of one name"},
      {R"([{"b":{"a":1,"\u0061":2}}])", "two members of one name"},
      {std::string(docker::kMostJson + 1, ' '), "too long"},
  };
  for (const Document& document : documents) {
    const auto value = docker::ParseJson(AsBytes(document.text), "document");
    EXPECT_EQ(value.ok(), document.error.empty()) << document.text.substr(0, 99);
    if (!value.ok()) {
      EXPECT_THAT(value.error().Describe(), HasSubstr(document.error));
    }
  }
}

TEST(Manifests, AreRefusedWithTheReason) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::string config = fmt::format(R"("config":{{"digest":"{}","size":1}})", digest);
  const std::vector<Document> documents = {
      {"{\"schemaVersion\":2," + config + "}", ""},
      {"{\"schemaVersion\":1," + config + "}", "schemaVersion"},
      {"{" + config + "}", "schemaVersion"},
      {R"({"schemaVersion":2,"layers":[]})", "missing"},
      {R"({"schemaVersion":2,"manifests":[]})", ""},
      {R"({"schemaVersion":2,"manifests":[],"layers":[]})", "at once"},
      {R"({"schemaVersion":2,"manifests":{}})", "allowed: a list"},
      {R"({"schemaVersion":2,"manifests":[],"Manifests":[]})", "differs in case only"},
      {R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]})", "type"},
      {R"({"schemaVersion":2,"config":{"digest":"sha256:12","size":1}})", "not a digest"},
      {R"({"schemaVersion":2,"config":{"digest":"md5:12","size":1}})", "unknown algorithm"},
      {R"({"schemaVersion":2,"config":{"digest":"sha256:../../../etc/passwd","size":1}})", "not a digest"},
      {fmt::format(R"({{"schemaVersion":2,"config":{{"digest":"{}","size":-1}}}})", digest), "whole number"},
      {fmt::format(R"({{"schemaVersion":2,"config":{{"digest":"{}"}}}})", digest), "size"},
      {"[]", "should be an object"},
  };
  for (const Document& document : documents) {
    const auto manifest = docker::ParseManifest(AsBytes(document.text), "image manifest");
    EXPECT_EQ(manifest.ok(), document.error.empty()) << document.text;
    if (!manifest.ok()) {
      EXPECT_THAT(manifest.error().Describe(), HasSubstr(document.error)) << document.text;
    }
  }
}

TEST(Configs, AreRefusedWithTheReason) {
  const std::vector<Document> documents = {
      {R"({"rootfs":{"diff_ids":[]}})", ""},
      {R"({"rootfs":{"diff_ids":null},"history":null,"config":null})", ""},
      {"{}", "rootfs"},
      {R"({"rootfs":{"diff_ids":["abc"]}})", "not a digest"},
      {R"({"rootfs":{"diff_ids":[1]}})", "text in a list"},
      {R"({"rootfs":{"diff_ids":[]},"config":{"Entrypoint":"sh"}})", "Entrypoint"},
      {R"({"rootfs":{"diff_ids":[]},"history":[1]})", "should be an object"},
  };
  for (const Document& document : documents) {
    const auto config = docker::ParseConfig(AsBytes(document.text));
    EXPECT_EQ(config.ok(), document.error.empty()) << document.text;
    if (!config.ok()) {
      EXPECT_THAT(config.error().Describe(), HasSubstr(document.error)) << document.text;
    }
  }
}

TEST(DockerImage, IsDescribedWhicheverWayItIsPacked) {
  ImageText image;
  image.layers = {SmallLayer("a"), SmallLayer("b"), SmallLayer("c")};
  image.layers[1].stored = Gzip(image.layers[1].tar);
  image.layers[1].media_type += "+gzip";
  image.layers[2].stored = Zstd(image.layers[2].tar);
  image.layers[2].media_type += "+zstd";
  for (const auto& files : {image.Saved(), image.Layout(), image.Both()}) {
    auto opened = OpenText(TarOf(files));
    ASSERT_TRUE(opened.ok()) << opened.error().Describe();
    Container& container = *opened.value();
    ASSERT_TRUE(container.MeasureLayers().ok());
    const ContainerInfo& info = container.info();
    ASSERT_EQ(info.layers.size(), 3U);
    for (const WrappedLayer& layer : info.layers) EXPECT_EQ(layer.problem, "");
    EXPECT_EQ(info.layers[1].compression, "gzip");
    EXPECT_EQ(info.layers[2].compression, "zstd");
    EXPECT_EQ(info.virtual_size, 3 * 2048U);
    const auto& images = std::get<Detail::List>(info.further.Find("images")->value());
    ASSERT_EQ(images.size(), 1U);
    EXPECT_EQ(TextAt(images[0], "architecture"), "amd64");
    EXPECT_EQ(std::get<Detail::List>(images[0].Find("entry-point")->value()).size(), 2U);
    EXPECT_EQ(std::get<Detail::List>(images[0].Find("history")->value()).size(), 2U);
    const auto& tags = std::get<Detail::List>(images[0].Find("tags")->value());
    ASSERT_EQ(tags.size(), 1U);
    EXPECT_EQ(std::get<std::string>(tags[0].value()), "name:tag");
  }
}

// What BuildKit puts beside an image, and an artifact of another kind.
TEST(DockerImage, AttestationsAreCountedAndPassedOver) {
  const ImageText image;
  auto files = image.Layout();
  ImageText::Files more;
  std::string descriptors;
  const auto add = [&](const std::string& config_type, const std::string& annotations) {
    const std::string text =
        fmt::format(R"({{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"sha256:{}","size":2}},"layers":[]}})",
                    config_type, Sha256Hex("{}"));
    more.emplace_back("blobs/sha256/" + Sha256Hex(text), text);
    descriptors += fmt::format(R"({{"digest":"sha256:{}","size":{}{}}},)", Sha256Hex(text), text.size(), annotations);
  };
  add("application/vnd.oci.image.config.v1+json",
      R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest"},"platform":{"os":"unknown"})");
  add("application/vnd.oci.empty.v1+json", "");
  files.insert(files.end(), more.begin(), more.end());
  auto opened = OpenText(TarOfChanged(files, "index.json", "\"manifests\":[", "\"manifests\":[" + descriptors));
  ASSERT_TRUE(opened.ok()) << opened.error().Describe();
  const Detail& further = opened.value()->info().further;
  EXPECT_EQ(std::get<Detail::List>(further.Find("images")->value()).size(), 1U);
  EXPECT_EQ(std::get<std::uint64_t>(further.Find("attestations")->value()), 1U);
  EXPECT_EQ(std::get<std::uint64_t>(further.Find("artifacts")->value()), 1U);
}

// docker makes links of layers that are there already.
TEST(DockerImage, LayersMayBeLinksInsideTheArchive) {
  const ImageText image;
  auto files = image.Saved();
  const std::string layer = files.front().first;
  for (const char type : {'1', '2'}) {
    const std::string target = type == '1' ? "real.tar" : "../real.tar";
    const std::string archive = TarArchive({TarMember({.name = "real.tar", .content = image.layers[0].tar}),
                                            TarMember({.name = layer, .type = type, .link = target}),
                                            TarMember({.name = files[1].first, .content = files[1].second}),
                                            TarMember({.name = files[2].first, .content = files[2].second})});
    auto opened = OpenText(archive);
    ASSERT_TRUE(opened.ok()) << opened.error().Describe();
    ASSERT_TRUE(opened.value()->MeasureLayers().ok());
    EXPECT_EQ(opened.value()->info().layers[0].problem, "");
    EXPECT_EQ(opened.value()->info().virtual_size, image.layers[0].tar.size());
  }
}

TEST(DockerFaults, ComeThrough) {
  const auto archive = Stored(TarOf(ImageText().Both()));
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  std::uint64_t failed = 0;
  for (;; ++failed) {
    const auto faulty = std::make_shared<FaultyStorage>(archive, FaultPlan{.fail_read = failed});
    const auto container = FindContainer("docker")->open(faulty, context);
    const auto done = container.ok() ? container.value()->MeasureLayers() : Result<>(Error(ErrorKind::kIo, "open"));
    if (container.ok() && done.ok()) break;
    if (!container.ok()) {
      EXPECT_EQ(container.error().kind(), ErrorKind::kIo) << failed;
    }
    if (container.ok()) {
      EXPECT_EQ(done.error().kind(), ErrorKind::kIo) << failed;
    }
  }
  EXPECT_GE(failed, 8U);
}

TEST(DockerImage, ThatIsNoneIsNotTakenForOne) {
  EXPECT_EQ(ProbeContainer(Stored(TarArchive({TarMember({.name = "a", .content = "b"})}))).value(), nullptr);
  EXPECT_EQ(ProbeContainer(Stored(TarArchive({TarMember({.name = "manifest.json", .content = "{}"})}))).value(),
            nullptr);
  EXPECT_EQ(ProbeContainer(Stored(TarOf(ImageText().Saved()))).value(), FindContainer("docker"));
  EXPECT_EQ(ProbeContainer(Stored(R"({"schemaVersion":2,"manifests":[]})")).value(), FindContainer("docker"));
}

// A layout of two layers, made by umoci out of a folder.
class Layout {
 public:
  Layout() {
    Run({"umoci", "init", "--layout", "layout"});
    Run({"umoci", "new", "--image", "layout:v1"});
    Run({"umoci", "unpack", "--rootless", "--image", "layout:v1", "bundle"});
    std::filesystem::create_directories(dir_.File("bundle/rootfs/etc"));
    std::ofstream(dir_.File("bundle/rootfs/etc/motd")) << "hello";
    std::ofstream(dir_.File("bundle/rootfs/data")) << SomeText();
    std::filesystem::create_symlink("/etc/motd", dir_.File("bundle/rootfs/link"));
    Run({"umoci", "repack", "--refresh-bundle", "--image", "layout:v1", "bundle"});
    std::filesystem::remove(dir_.File("bundle/rootfs/data"));
    Run({"umoci", "repack", "--refresh-bundle", "--image", "layout:v1", "bundle"});
    Run({"umoci", "config", "--image", "layout:v1", "--config.entrypoint", "/bin/init", "--config.env", "A=B"});
  }

  std::string Run(const std::vector<std::string>& argv) const {
    CommandOptions options;
    options.folder = dir_.path().string();
    return MustRun(argv, options);
  }
  void Copy(const std::string& from, const std::string& to) const {
    Run({"skopeo", "--insecure-policy", "--tmpdir", ".", "copy", "--quiet", from, to});
  }
  // The number that `jq`-like words of Python find in info's JSON.
  std::string Info(const std::string& file, const std::string& words) const {
    Run({"sh", "-c", fmt::format("{} info --output=json {} > info.json", kTool, file)});
    return Run({"python3", "-c", "import json; i = json.load(open('info.json')); print(" + words + ")"});
  }
  // Unpacked bytes of all layers, as gzip has them.
  std::string UnpackedSize() const {
    return Run({"sh", "-c", "for f in layout/blobs/sha256/*; do gzip -dc $f 2>/dev/null; done | wc -c"});
  }

 private:
  TempDir dir_;
};

TEST(DockerPeers, WhatUmociAndSkopeoMakeIsRead) {
  const Layout layout;
  layout.Copy("oci:layout:v1", "docker-archive:docker.tar:name:tag");
  layout.Copy("oci:layout:v1", "oci-archive:oci.tar:v1");
  layout.Run({"umoci", "gc", "--layout", "layout"});
  const std::string size = layout.UnpackedSize();
  for (const char* file : {"docker.tar", "oci.tar", "layout", "layout/index.json"}) {
    EXPECT_EQ(layout.Info(file, "i['virtual-size']"), size) << file;
    EXPECT_EQ(layout.Info(file, "i['container'], len(i['layers'])"), "docker 2\n") << file;
    EXPECT_EQ(layout.Info(file, "any('error' in l for l in i['layers'])"), "False\n") << file;
    const std::string image = "i['container-specific']['images'][0]";
    EXPECT_EQ(layout.Info(file, image + "['entry-point'][0], " + image + "['environment'][0]"), "/bin/init A=B\n");
    EXPECT_THAT(layout.Info(file, image + "['tags']"), testing::AnyOf(HasSubstr("v1"), HasSubstr("name:tag")));
  }
  for (const char* file : {"docker.tar", "oci.tar"}) {
    layout.Run({kTool, "inspect", "--expect-container", "docker", "--depth", "full", file});
    // The members in any order and by any program.
    layout.Run({"sh", "-c", fmt::format("rm -rf x; mkdir x; tar -xf {} -C x; bsdtar -cf again.tar -C x .", file)});
    EXPECT_EQ(layout.Info("again.tar", "i['virtual-size']"), size);
  }
  // zstd, as skopeo writes it.
  layout.Run({"skopeo", "--insecure-policy", "--tmpdir", ".", "copy", "--quiet", "--dest-compress-format", "zstd",
              "--dest-compress", "oci:layout:v1", "dir:folder"});
  layout.Copy("dir:folder", "oci-archive:zstd.tar:v1");
  EXPECT_EQ(layout.Info("zstd.tar", "i['virtual-size']"), size);
  EXPECT_EQ(layout.Info("zstd.tar", "i['layers'][0]['compression']"), "zstd\n");
}

// What info's JSON says of each layer, counted again by Python.
TEST(DockerPeers, LayersAreDescribedAsTheyAre) {
  const Layout layout;
  layout.Run({"umoci", "gc", "--layout", "layout"});
  EXPECT_EQ(layout.Info("layout", "len(i['layers'])"), "2\n");
  EXPECT_EQ(layout.Run({"python3", "-c", R"(
import gzip, hashlib, json
sha = lambda data: 'sha256:' + hashlib.sha256(data).hexdigest()
info = json.load(open('info.json'))
config = json.load(open('layout/blobs/sha256/' + info['container-specific']['images'][0]['config-digest'][7:]))
for number, layer in enumerate(info['layers']):
    stored = open('layout/' + layer['filename'], 'rb').read()
    unpacked = gzip.decompress(stored)
    assert layer['digest'] == sha(stored) and layer['file-size'] == len(stored), layer
    assert layer['diff-id'] == sha(unpacked) == config['rootfs']['diff_ids'][number], layer
    assert layer['size'] == len(unpacked) and layer['compression'] == 'gzip', layer
    assert layer['media-type'] == 'application/vnd.oci.image.layer.v1.tar+gzip' and 'error' not in layer, layer
print(info['container'], info['virtual-size'] == sum(layer['size'] for layer in info['layers']))
)"}),
            "docker True\n");
}

TEST(DockerTool, SaysWhatIsWrongWithALayer) {
  const TempDir dir;
  ImageText image;
  image.layers[0].diff_id = std::string(64, '0');
  std::ofstream(dir.File("a.tar"), std::ios::binary) << TarOf(image.Layout());
  const std::string info = MustRun({kTool, "info", dir.File("a.tar")});
  EXPECT_THAT(info, HasSubstr("does not unpack to what the config says"));
  EXPECT_THAT(info, testing::Not(HasSubstr("virtual size")));
  const CommandResult convert = RunCommand({kTool, "convert", "-O", "qcow2", dir.File("a.tar"), dir.File("out")});
  EXPECT_EQ(convert.exit_code, 1);
  EXPECT_THAT(convert.err, HasSubstr("a container image has layers, and no disk"));
  MustRun({kTool, "convert", "-f", "raw", "-O", "qcow2", dir.File("a.tar"), dir.File("out")});
}

}  // namespace
}  // namespace platter::test
