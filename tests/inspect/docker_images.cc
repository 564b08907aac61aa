#include "tests/inspect/docker_images.h"

#include <fmt/format.h>

#include "tests/containers/docker_bytes.h"
#include "tests/containers/tar_bytes.h"

namespace platter::test {
namespace {

constexpr const char* kDocker = "expect_container=docker";

Bytes With(const TarEntry& entry) {
  const std::string archive = TarOf(ImageText().Both());
  return ToBytes(archive.substr(0, archive.size() - 1024) + TarArchive({TarMember(entry)}));
}

// With one of manifest.json, index.json, oci-layout, or the first document of that beginning, changed.
Bytes SavedWith(std::string_view from, std::string_view to) {
  return ToBytes(TarOfChanged(ImageText().Saved(), "manifest.json", from, to));
}
Bytes IndexWith(std::string_view from, std::string_view to) {
  return ToBytes(TarOfChanged(ImageText().Layout(), "index.json", from, to));
}
// With a file of a layout changed: 0 the layer, 1 the config, 2 the manifest.
Bytes LayoutWith(std::size_t file, std::string_view from, std::string_view to) {
  const auto files = ImageText().Layout();
  return ToBytes(TarOfChanged(files, files[file].first, from, to));
}
Bytes ImageOf(const LayerText& layer) {
  ImageText image;
  image.layers = {layer};
  return ToBytes(TarOf(image.Layout()));
}
Bytes LayerOf(const std::string& tar) {
  LayerText layer;
  layer.tar = tar;
  layer.stored = Gzip(tar);
  layer.media_type += "+gzip";
  return ImageOf(layer);
}
Bytes LayerWith(const std::vector<TarEntry>& entries) {
  std::vector<std::string> members;
  for (const TarEntry& entry : entries) members.push_back(TarMember(entry));
  return LayerOf(TarArchive(members));
}
Bytes StoredLayer(const std::string& stored) {
  LayerText layer = SmallLayer();
  layer.stored = stored;
  return ImageOf(layer);
}

// Frames of 16 MiB of zeros, more than any sound layer of their length has.
Bytes Bomb() {
  const std::string frame = Zstd(std::string(std::size_t{16} << 20, '\0'));
  std::string stored;
  for (int count = 0; count < 80; ++count) stored += frame;
  return StoredLayer(stored);
}

// What is between the brackets of an image's list.
std::string Entry(const ImageText::Files& files, std::string_view name) {
  for (const auto& [file, text] : files) {
    if (file == name) return text.substr(text.find('[') + 1, text.rfind(']') - text.find('[') - 1);
  }
  return {};
}

struct TwoLists {
  std::string saved;    // entries of manifest.json
  std::string indexed;  // entries of index.json
};

ImageText OtherImage(const std::string& tag) {
  ImageText other;
  other.layers = {SmallLayer("other")};
  other.tag = tag;
  return other;
}

// The files of all images, and lists of them; no list where it is empty.
Bytes Listed(const std::vector<ImageText>& images, const TwoLists& lists) {
  ImageText::Files files;
  for (const ImageText& image : images) {
    for (const auto& file : image.Both()) {
      if (file.first.starts_with("blobs/")) files.push_back(file);
    }
  }
  files.emplace_back("manifest.json", "[" + lists.saved + "]");
  if (!lists.indexed.empty()) {
    files.emplace_back("index.json", R"({"schemaVersion":2,"manifests":[)" + lists.indexed + "]}");
  }
  return ToBytes(TarOf(files));
}

std::string Saved(const ImageText& image) { return Entry(image.Both(), "manifest.json"); }
std::string Indexed(const ImageText& image) { return Entry(image.Both(), "index.json"); }

std::vector<Appliance> HostileLists() {
  static const ImageText image;
  static const ImageText other = OtherImage("other:1");
  return {
      {"ImageInOneListOnly",
       [] {
         return Listed({image, other}, {Saved(image), Indexed(image) + "," + Indexed(other)});
       },
       "docker.ambiguous", "", kDocker},
      {"AttestationWithAName",
       [] {
         std::string entry = Indexed(other);
         const std::string_view start = R"("annotations":{)";
         entry.insert(entry.find(start) + start.size(), R"("vnd.docker.reference.type":"attestation-manifest",)");
         return Listed({image, other}, {Saved(image), Indexed(image) + "," + entry});
       },
       "docker.ambiguous", "", kDocker},
      {"TagsChanged",
       [] {
         ImageText renamed = image;
         renamed.tag = "docker.io/library/other:1";
         return Listed({image, other},
                       {Saved(image) + "," + Saved(other), Indexed(renamed) + "," + Indexed(OtherImage("name:tag"))});
       },
       "docker.ambiguous", "", kDocker},
      {"ShortTagOfAnother",
       [] {
         return Listed({image, other},
                       {Saved(image) + "," + Saved(other), Indexed(image) + "," + Indexed(OtherImage("tag"))});
       },
       "docker.ambiguous", "", kDocker},
      {"TwoOfOneTag",
       [] {
         const ImageText same = OtherImage("name:tag");
         return Listed({image, same}, {Saved(image) + "," + Saved(same), ""});
       },
       "docker.ambiguous", "", kDocker},
      {"ArtifactWithLayers",
       [] {
         ImageText artifact;
         artifact.config_type = "application/vnd.example.config.v1+json";
         return ToBytes(TarOf(artifact.Layout()));
       },
       "docker.ambiguous", "", kDocker},
      {"ImageWithoutConfigType",
       [] {
         ImageText artifact;
         artifact.config_type = "";
         artifact.layers[0].media_type = "application/octet-stream";
         return ToBytes(TarOf(artifact.Layout()));
       },
       "docker.ambiguous", "", kDocker},
      {"TwoOfOnePlatform", [] { return ImageOfTwoPlatforms("amd64"); }, "docker.ambiguous", "", kDocker},
  };
}

std::string NestedLists() { return std::string(500, '[') + std::string(500, ']'); }

std::vector<Appliance> HostileMembers() {
  return {
      {"AbsoluteName", [] { return With({.name = "/etc/passwd"}); }, "tar.name", "CVE-2007-4559", kDocker},
      {"NameOutside", [] { return With({.name = "a/../../b"}); }, "tar.name", "CVE-2007-4559", kDocker},
      {"LinkOutside", [] { return With({.name = "a/b", .type = '2', .link = "../../c"}); }, "tar.link", "", kDocker},
      {"LinkOutsideBehindManyInside",
       [] {
         const std::string archive = TarOf(ImageText().Both());
         std::string links;
         for (int at = 0; at < 100; ++at) {
           links += TarMember({.name = fmt::format("a/{}", at), .type = '2', .link = "../manifest.json"});
         }
         links += TarArchive({TarMember({.name = "a/b", .type = '2', .link = "../../c"})});
         return ToBytes(archive.substr(0, archive.size() - 1024) + links);
       },
       "tar.link", "", kDocker},
      {"Device", [] { return With({.name = "sda", .type = '4'}); }, "tar.device", "", kDocker},
      {"Duplicate", [] { return With({.name = "./manifest.json", .content = "[]"}); }, "tar.duplicate", "", kDocker},
      {"SecondArchive", [] { return ToBytes(TarOf(ImageText().Saved()) + TarOf(ImageText().Saved())); },
       "tar.trailing_data", "", kDocker},
      {"LinkInCircles",
       [] {
         const auto files = ImageText().Saved();
         return ToBytes(TarArchive({TarMember({.name = files[0].first, .type = '2', .link = "layer.tar"}),
                                    TarMember({.name = files[1].first, .content = files[1].second}),
                                    TarMember({.name = files[2].first, .content = files[2].second})}));
       },
       "docker.name", "", kDocker},
      {"BareIndex", [] { return ToBytes(ImageText().Layout()[3].second); }, "docker.files", "", kDocker},
  };
}

std::vector<Appliance> HostileNames() {
  return {
      {"ConfigOutside", [] { return SavedWith("\"Config\":\"", "\"Config\":\"../../"); }, "docker.name",
       "CVE-2007-4559", kDocker},
      {"LayerOutside", [] { return SavedWith("\"Layers\":[\"", "\"Layers\":[\"/"); }, "docker.name", "CVE-2007-4559",
       kDocker},
      {"MissingConfig", [] { return SavedWith("\"Config\":\"", "\"Config\":\"x"); }, "docker.manifest", "", kDocker},
      {"MissingLayer", [] { return SavedWith("\"Layers\":[\"", "\"Layers\":[\"x"); }, "docker.missing_layer", "",
       kDocker},
      {"LayerCount", [] { return SavedWith("\"Layers\":[", "\"Layers\":[\"manifest.json\","); }, "docker.manifest", "",
       kDocker},
      {"TwoLists",
       [] {
         ImageText other;
         other.layers = {SmallLayer("other")};
         auto files = ImageText().Layout();
         for (const auto& file : other.Saved()) files.push_back(file);
         return ToBytes(TarOf(files));
       },
       "docker.ambiguous", "", kDocker},
      {"LayerElsewhere",
       [] {
         LayerText layer = SmallLayer();
         layer.urls = R"(["https://localhost/layer"])";
         return ImageOf(layer);
       },
       "docker.layer_elsewhere", "", kDocker},
      {"LayerSourceElsewhere",
       [] {
         return SavedWith("\"Layers\":",
                          R"("LayerSources":{"sha256:a":{"size":1,"urls":["https://localhost/layer"]}},"Layers":)");
       },
       "docker.layer_elsewhere", "", kDocker},
  };
}

std::vector<Appliance> HostileDocuments() {
  return {
      {"NoJson", [] { return SavedWith("[{", "[["); }, "docker.manifest", "", kDocker},
      {"DeepJson", [] { return SavedWith("\"name:tag\"", NestedLists()); }, "docker.manifest", "", kDocker},
      {"TwoMembersOfOneName", [] { return SavedWith("\"Layers\"", R"("Layers":[],"Layers")"); }, "docker.manifest", "",
       kDocker},
      {"NamesThatDifferInCase", [] { return SavedWith("\"Layers\"", R"("layers":["a"],"Layers")"); }, "docker.manifest",
       "", kDocker},
      {"ConfigDigest", [] { return LayoutWith(1, "amd64", "arm64"); }, "docker.config", "", kDocker},
      {"ManifestDigest", [] { return LayoutWith(2, "\"schemaVersion\":2", "\"schemaVersion\":3"); }, "docker.manifest",
       "", kDocker},
      {"ManifestSize", [] { return IndexWith("\"size\":", "\"size\":1"); }, "docker.manifest", "", kDocker},
      {"LayerSize",
       [] {
         LayerText layer = SmallLayer();
         layer.size = "9999";
         return ImageOf(layer);
       },
       "docker.manifest", "", kDocker},
      {"DigestThatIsAPath", [] { return IndexWith("sha256:", "sha256:../../"); }, "docker.index", "", kDocker},
      {"IndexAndManifest", [] { return IndexWith("\"manifests\"", R"("layers":[],"manifests")"); }, "docker.index", "",
       kDocker},
      {"LayoutVersion", [] { return ToBytes(TarOfChanged(ImageText().Layout(), "oci-layout", "1.0.0", "2.0.0")); },
       "docker.layout", "", kDocker},
      {"LayerType",
       [] {
         LayerText layer = SmallLayer();
         layer.media_type = "application/x-executable";
         return ImageOf(layer);
       },
       "docker.manifest", "", kDocker},
  };
}

}  // namespace

std::vector<Appliance> HostileDockerArchives() {
  std::vector<Appliance> all = HostileMembers();
  for (auto& more : {HostileNames(), HostileLists(), HostileDocuments()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

Bytes ImageOfTwoPlatforms(const std::string& other) {
  const ImageText first;
  ImageText second = OtherImage(first.tag);
  second.architecture = other;
  const auto without_name = [](std::string entry) {
    entry.resize(entry.find(",\"annotations\""));
    return entry + "}";
  };
  const std::string index = fmt::format(R"({{"schemaVersion":2,"manifests":[{},{}]}})", without_name(Indexed(first)),
                                        without_name(Indexed(second)));
  const std::string name = R"(,"annotations":{"org.opencontainers.image.ref.name":"name:tag"})";
  ImageText::Files files = first.Layout();
  for (auto& [file, text] : files) {
    if (file != "index.json") continue;
    text = fmt::format(R"({{"schemaVersion":2,"manifests":[{{"digest":"sha256:{}","size":{}{}}}]}})", Sha256Hex(index),
                       index.size(), name);
  }
  for (const auto& file : second.Layout()) {
    if (file.first.starts_with("blobs/")) files.push_back(file);
  }
  files.emplace_back("blobs/sha256/" + Sha256Hex(index), index);
  files.push_back(first.Both().back());
  return ToBytes(TarOf(files));
}

std::vector<Appliance> HostileLayers() {
  return {
      {"AbsoluteName", [] { return LayerWith({{.name = "/etc/passwd"}}); }, "docker.layer_name", "CVE-2007-4559",
       kDocker},
      {"NameOutside", [] { return LayerWith({{.name = "../../etc/passwd"}}); }, "docker.layer_name", "CVE-2007-4559",
       kDocker},
      {"HardLinkOutside", [] { return LayerWith({{.name = "a", .type = '1', .link = "../../etc/shadow"}}); },
       "docker.layer_link", "", kDocker},
      {"ThroughLink",
       [] {
         return LayerWith({{.name = "a", .type = '2', .link = "/etc"}, {.name = "a/passwd"}});
       },
       "docker.layer_through_link", "", kDocker},
      {"Device", [] { return LayerWith({{.name = "dev/sda", .type = '4'}}); }, "docker.layer_device", "", kDocker},
      {"Duplicate",
       [] {
         return LayerWith({{.name = "a"}, {.name = "./a"}});
       },
       "docker.layer_duplicate", "", kDocker},
      {"Sparse", [] { return LayerWith({{.name = "a", .content = std::string(512, 'y'), .type = 'S'}}); },
       "docker.layer_sparse", "", kDocker},
      {"SparseMapOfAFile",
       [] {
         return LayerWith(
             {{.name = "a", .content = std::string(512, 'y'), .prefix = GnuSparseMap(), .magic = GnuMagic()}});
       },
       "docker.layer_sparse", "", kDocker},
      {"Whiteout",
       [] {
         return LayerWith({{.name = "a/.wh..."}, {.name = "a/.wh.."}});
       },
       "docker.layer_whiteout", "", kDocker},
      {"TwoNames",
       [] {
         return LayerOf(
             TarArchive({TarMember({.name = "L", .content = "../../etc/cron.d/a", .type = 'L'}),
                         TarMember({.name = "x", .content = "10 path=a\n", .type = 'x'}), TarMember({.name = "b"})}));
       },
       "docker.layer_name", "", kDocker},
      {"SunsPaxHeader",
       [] {
         return LayerWith({{.name = "x", .content = "10 path=a\n", .type = 'X'}, {.name = "b"}});
       },
       "docker.layer_type", "", kDocker},
      {"PastTheEnd", [] { return LayerWith({{.name = "a", .size_field = "77777777777"}}); }, "docker.layer_size", "",
       kDocker},
      {"SecondArchive",
       [] {
         const std::string tar = TarArchive({TarMember({.name = "a"})});
         return LayerOf(tar + tar);
       },
       "docker.layer_trailing_data", "", kDocker},
      {"NoTar", [] { return LayerOf("no tar archive" + std::string(1024, 'x')); }, "docker.layer_tar", "", kDocker},
      {"Digest", [] { return LayoutWith(0, "hello", "HELLO"); }, "docker.layer_digest", "", kDocker},
      {"DiffId",
       [] {
         LayerText layer = SmallLayer();
         layer.diff_id = Sha256Hex("other");
         return ImageOf(layer);
       },
       "docker.layer_diff_id", "", kDocker},
      {"Damaged",
       [] {
         std::string stored = Gzip(SmallLayer().tar);
         stored.resize(stored.size() - 4);
         return StoredLayer(stored);
       },
       "docker.layer_compression", "", kDocker},
      {"UnknownCompression", [] { return StoredLayer("BZh91AY&SY"); }, "docker.layer_compression", "", kDocker},
      {"Bomb", Bomb, "docker.layer_bomb", "", kDocker},
  };
}

}  // namespace platter::test
