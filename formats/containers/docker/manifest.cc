#include "formats/containers/docker/manifest.h"

#include <algorithm>
#include <array>

#include "formats/containers/docker/json.h"

namespace platter::docker {
namespace {

namespace json = boost::json;

constexpr std::string_view kConfig = "image config";
constexpr std::string_view kSaved = "manifest.json";

constexpr std::array<std::string_view, 2> kIndexTypes = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
};
// How tools name the image in an index, the most specific first.
constexpr std::array<std::string_view, 2> kNameAnnotations = {
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
};
// What BuildKit calls the manifests of provenance and SBOM, which stand beside the image that they are about.
constexpr std::string_view kReferenceType = "vnd.docker.reference.type";
constexpr std::string_view kAttestation = "attestation-manifest";

Error Missing(std::string_view structure, std::string_view field) {
  return Error(ErrorKind::kCorrupt, "a member that an image cannot be without is missing")
      .At(std::string(structure), std::string(field));
}

Result<> CheckCount(const json::array& list, std::size_t most, std::string_view structure, std::string_view field) {
  if (list.size() <= most) return Done{};
  return Error(ErrorKind::kLimit, "the list is too long")
      .At(std::string(structure), std::string(field))
      .Found(list.size())
      .Allowed("at most " + std::to_string(most));
}

Result<std::vector<std::string>> NamesIn(const JsonFields& fields, std::string_view name) {
  std::vector<std::string> names;
  const JsonFields members = PLATTER_TRY(fields.Object(name));
  for (auto& [key, value] : members.Pairs()) names.push_back(key);
  return names;
}

Result<std::vector<HistoryEntry>> ParseHistory(const JsonFields& fields) {
  std::vector<HistoryEntry> history;
  const json::array* list = PLATTER_TRY(fields.List("history"));
  if (list == nullptr) return history;
  PLATTER_CHECK(CheckCount(*list, kMostLayers, kConfig, "history"));
  for (const json::value& item : *list) {
    const JsonFields entry = PLATTER_TRY(JsonFields::Of(item, kConfig));
    HistoryEntry line;
    line.created = PLATTER_TRY(entry.Text("created"));
    line.created_by = PLATTER_TRY(entry.Text("created_by"));
    line.comment = PLATTER_TRY(entry.Text("comment"));
    line.empty_layer = PLATTER_TRY(entry.Flag("empty_layer"));
    history.push_back(std::move(line));
  }
  return history;
}

// What a container of the image runs, unless told otherwise.
Result<> ParseDefaults(const JsonFields& fields, ImageConfig& config) {
  const JsonFields defaults = PLATTER_TRY(fields.Object("config"));
  config.user = PLATTER_TRY(defaults.Text("User"));
  config.working_directory = PLATTER_TRY(defaults.Text("WorkingDir"));
  config.entry_point = PLATTER_TRY(defaults.Texts("Entrypoint"));
  config.command = PLATTER_TRY(defaults.Texts("Cmd"));
  config.environment = PLATTER_TRY(defaults.Texts("Env"));
  config.exposed_ports = PLATTER_TRY(NamesIn(defaults, "ExposedPorts"));
  config.volumes = PLATTER_TRY(NamesIn(defaults, "Volumes"));
  const JsonFields labels = PLATTER_TRY(defaults.Object("Labels"));
  config.labels = labels.Pairs();
  return Done{};
}

Result<std::vector<BlobDigest>> ParseDiffIds(const JsonFields& fields) {
  std::vector<BlobDigest> digests;
  if (!fields.Has("rootfs")) return Missing(kConfig, "rootfs");
  const JsonFields rootfs = PLATTER_TRY(fields.Object("rootfs"));
  const auto texts = PLATTER_TRY(rootfs.Texts("diff_ids"));
  if (texts.size() > kMostLayers) {
    return Error(ErrorKind::kLimit, "the image has too many layers")
        .At(std::string(kConfig), "diff_ids")
        .Found(texts.size())
        .Allowed("at most " + std::to_string(kMostLayers));
  }
  digests.reserve(texts.size());
  for (const std::string& text : texts) digests.push_back(PLATTER_TRY(ParseDigest(text, kConfig, "diff_ids")));
  return digests;
}

Result<> ParseAnnotations(const JsonFields& fields, Descriptor& descriptor) {
  const JsonFields members = PLATTER_TRY(fields.Object("annotations"));
  const auto annotations = members.Pairs();
  for (const std::string_view wanted : kNameAnnotations) {
    for (const auto& [key, value] : annotations) {
      if (key == wanted && descriptor.name.empty()) descriptor.name = value;
    }
  }
  for (const auto& [key, value] : annotations) {
    if (key == kReferenceType && value == kAttestation) descriptor.attestation = true;
  }
  return Done{};
}

Result<Descriptor> ParseDescriptor(const json::value& value, std::string_view structure) {
  const JsonFields fields = PLATTER_TRY(JsonFields::Of(value, structure));
  Descriptor descriptor;
  descriptor.media_type = PLATTER_TRY(fields.Text("mediaType"));
  const std::string digest = PLATTER_TRY(fields.Text("digest"));
  descriptor.digest = PLATTER_TRY(ParseDigest(digest, structure, "digest"));
  const auto size = PLATTER_TRY(fields.Number("size"));
  if (!size) return Missing(structure, "size");
  descriptor.size = *size;
  const json::array* urls = PLATTER_TRY(fields.List("urls"));
  descriptor.elsewhere = urls != nullptr && !urls->empty();
  const JsonFields platform = PLATTER_TRY(fields.Object("platform"));
  descriptor.architecture = PLATTER_TRY(platform.Text("architecture"));
  descriptor.os = PLATTER_TRY(platform.Text("os"));
  PLATTER_CHECK(ParseAnnotations(fields, descriptor));
  return descriptor;
}

Result<std::vector<Descriptor>> ParseDescriptors(const json::array& list, std::size_t most, std::string_view structure,
                                                 std::string_view field) {
  PLATTER_CHECK(CheckCount(list, most, structure, field));
  std::vector<Descriptor> descriptors;
  for (const json::value& item : list) descriptors.push_back(PLATTER_TRY(ParseDescriptor(item, structure)));
  return descriptors;
}

// The first layer of manifest.json's LayerSources that may be fetched from another place; "" for none.
Result<std::string> LayerElsewhere(const json::value& image, const JsonFields& fields) {
  constexpr std::string_view kSources = "LayerSources";
  PLATTER_CHECK(fields.Object(kSources));
  const json::value* found = image.as_object().if_contains(kSources);
  const json::object* sources = found == nullptr ? nullptr : found->if_object();
  if (sources == nullptr) return std::string();
  for (const auto& source : *sources) {
    const JsonFields layer = PLATTER_TRY(JsonFields::Of(source.value(), kSaved));
    const json::array* urls = PLATTER_TRY(layer.List("urls"));
    if (urls != nullptr && !urls->empty()) return std::string(source.key());
  }
  return std::string();
}

}  // namespace

Result<ImageConfig> ParseConfig(std::span<const std::byte> text) {
  const json::value document = PLATTER_TRY(ParseJson(text, kConfig));
  const JsonFields fields = PLATTER_TRY(JsonFields::Of(document, kConfig));
  ImageConfig config;
  config.created = PLATTER_TRY(fields.Text("created"));
  config.author = PLATTER_TRY(fields.Text("author"));
  config.architecture = PLATTER_TRY(fields.Text("architecture"));
  config.os = PLATTER_TRY(fields.Text("os"));
  config.variant = PLATTER_TRY(fields.Text("variant"));
  PLATTER_CHECK(ParseDefaults(fields, config));
  config.diff_ids = PLATTER_TRY(ParseDiffIds(fields));
  config.history = PLATTER_TRY(ParseHistory(fields));
  return config;
}

Result<std::vector<SavedImage>> ParseSavedImages(std::span<const std::byte> text) {
  const json::value document = PLATTER_TRY(ParseJson(text, kSaved));
  const auto* list = document.if_array();
  if (list == nullptr) {
    return Error(ErrorKind::kCorrupt, "the document is no list of images").At(std::string(kSaved), "JSON");
  }
  PLATTER_CHECK(CheckCount(*list, kMostManifests, kSaved, "images"));
  std::vector<SavedImage> images;
  for (const json::value& item : *list) {
    const JsonFields fields = PLATTER_TRY(JsonFields::Of(item, kSaved));
    SavedImage image;
    image.config = PLATTER_TRY(fields.Text("Config"));
    image.tags = PLATTER_TRY(fields.Texts("RepoTags"));
    image.layers = PLATTER_TRY(fields.Texts("Layers"));
    image.elsewhere = PLATTER_TRY(LayerElsewhere(item, fields));
    if (image.config.empty()) return Missing(kSaved, "Config");
    if (image.layers.size() > kMostLayers) {
      return Error(ErrorKind::kLimit, "the image has too many layers")
          .At(std::string(kSaved), "Layers")
          .Found(image.layers.size());
    }
    images.push_back(std::move(image));
  }
  return images;
}

// Without a type the members say which of the two it is; with both kinds of members it could be read as either.
Result<Manifest> ParseManifest(std::span<const std::byte> text, std::string_view structure) {
  const json::value document = PLATTER_TRY(ParseJson(text, structure));
  const JsonFields fields = PLATTER_TRY(JsonFields::Of(document, structure));
  const auto version = PLATTER_TRY(fields.Number("schemaVersion"));
  if (version != 2) {
    return Error(ErrorKind::kUnsupported, "a version of manifests that is not known")
        .At(std::string(structure), "schemaVersion")
        .Found(version ? std::to_string(*version) : "none")
        .Allowed("2");
  }
  Manifest manifest;
  manifest.media_type = PLATTER_TRY(fields.Text("mediaType"));
  const json::array* manifests = PLATTER_TRY(fields.List("manifests"));
  const json::array* layers = PLATTER_TRY(fields.List("layers"));
  if (manifests != nullptr && (layers != nullptr || fields.Has("config"))) {
    return Error(ErrorKind::kCorrupt, "the document is an index and a manifest at once")
        .At(std::string(structure), "manifests");
  }
  const bool index_type = std::ranges::find(kIndexTypes, manifest.media_type) != kIndexTypes.end();
  manifest.is_index = manifests != nullptr || index_type;
  if (!manifest.media_type.empty() && index_type != manifest.is_index) {
    return Error(ErrorKind::kCorrupt, "the document is not of the type that it says")
        .At(std::string(structure), "mediaType")
        .Found(manifest.media_type);
  }
  if (manifests != nullptr) {
    manifest.manifests = PLATTER_TRY(ParseDescriptors(*manifests, kMostManifests, structure, "manifests"));
  }
  if (manifest.is_index) return manifest;
  if (layers != nullptr) {
    manifest.layers = PLATTER_TRY(ParseDescriptors(*layers, kMostLayers, structure, "layers"));
  }
  PLATTER_CHECK(fields.Object("config"));
  const json::value* config = document.as_object().if_contains("config");
  if (config == nullptr) return Missing(structure, "config");
  manifest.config = PLATTER_TRY(ParseDescriptor(*config, structure));
  return manifest;
}

Result<> CheckLayoutVersion(std::span<const std::byte> text) {
  constexpr std::string_view kStructure = "oci-layout";
  const json::value document = PLATTER_TRY(ParseJson(text, kStructure));
  const JsonFields fields = PLATTER_TRY(JsonFields::Of(document, kStructure));
  const std::string version = PLATTER_TRY(fields.Text("imageLayoutVersion"));
  if (version.starts_with("1.")) return Done{};
  return Error(ErrorKind::kUnsupported, "a version of image layouts that is not known")
      .At(std::string(kStructure), "imageLayoutVersion")
      .Found(version)
      .Allowed("1.0.0");
}

bool IsLayerType(std::string_view media_type) noexcept {
  return media_type.starts_with("application/vnd.oci.image.layer.v1.tar") ||
         media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         media_type.starts_with("application/vnd.docker.image.rootfs.diff.tar") ||
         media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}

bool IsConfigType(std::string_view media_type) noexcept {
  return media_type == "application/vnd.oci.image.config.v1+json" ||
         media_type == "application/vnd.docker.container.image.v1+json";
}

}  // namespace platter::docker
