#include "formats/containers/docker/author.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <span>

namespace platter::docker {
namespace {

namespace json = boost::json;

constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";

void AddText(json::object& object, std::string_view name, const std::string& text) {
  if (!text.empty()) object.emplace(name, text);
}

void AddList(json::object& object, std::string_view name, const std::vector<std::string>& texts) {
  if (!texts.empty()) object.emplace(name, json::array(texts.begin(), texts.end()));
}

// A set of names, as Go writes one.
void AddSet(json::object& object, std::string_view name, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json::object set;
  for (const std::string& text : texts) set.emplace(text, json::object());
  object.emplace(name, std::move(set));
}

json::object DescriptorOf(std::string_view media_type, const BlobDigest& digest, std::uint64_t size) {
  json::object descriptor;
  descriptor.emplace("mediaType", media_type);
  descriptor.emplace("digest", digest.Text());
  descriptor.emplace("size", size);
  return descriptor;
}

std::string LayerType(Compression compression) {
  std::string type = "application/vnd.oci.image.layer.v1.tar";
  if (compression == Compression::kNone) return type;
  return type.append("+").append(CompressionName(compression));
}

json::object DefaultsOf(const ImageConfig& config) {
  json::object defaults;
  AddText(defaults, "User", config.user);
  AddSet(defaults, "ExposedPorts", config.exposed_ports);
  AddList(defaults, "Env", config.environment);
  AddList(defaults, "Entrypoint", config.entry_point);
  AddList(defaults, "Cmd", config.command);
  AddSet(defaults, "Volumes", config.volumes);
  AddText(defaults, "WorkingDir", config.working_directory);
  if (config.labels.empty()) return defaults;
  json::object labels;
  for (const auto& [name, value] : config.labels) labels.insert_or_assign(name, value);
  defaults.emplace("Labels", std::move(labels));
  return defaults;
}

}  // namespace

BlobDigest DigestOf(std::string_view text) {
  Hasher hasher(DigestAlgorithm::kSha256);
  hasher.Add(std::as_bytes(std::span(text)));
  return hasher.Finish();
}

std::string MakeConfig(const ImageConfig& config, const std::vector<NewLayer>& layers) {
  json::object document;
  AddText(document, "created", config.created);
  AddText(document, "author", config.author);
  document.emplace("architecture", config.architecture);
  AddText(document, "variant", config.variant);
  document.emplace("os", config.os);
  document.emplace("config", DefaultsOf(config));
  json::array ids;
  for (const NewLayer& layer : layers) ids.emplace_back(layer.diff_id.Text());
  json::object rootfs;
  rootfs.emplace("type", "layers");
  rootfs.emplace("diff_ids", std::move(ids));
  document.emplace("rootfs", std::move(rootfs));
  json::array history;
  for (const HistoryEntry& entry : config.history) {
    json::object line;
    AddText(line, "created", entry.created);
    AddText(line, "created_by", entry.created_by);
    AddText(line, "comment", entry.comment);
    if (entry.empty_layer) line.emplace("empty_layer", true);
    history.emplace_back(std::move(line));
  }
  document.emplace("history", std::move(history));
  return json::serialize(document);
}

std::string MakeManifest(std::string_view config_text, const std::vector<NewLayer>& layers) {
  json::object document;
  document.emplace("schemaVersion", 2);
  document.emplace("mediaType", kManifestType);
  document.emplace("config", DescriptorOf(kConfigType, DigestOf(config_text), config_text.size()));
  json::array list;
  for (const NewLayer& layer : layers) {
    list.emplace_back(DescriptorOf(LayerType(layer.compression), layer.digest, layer.size));
  }
  document.emplace("layers", std::move(list));
  return json::serialize(document);
}

std::string MakeIndex(std::string_view manifest_text, const ImageConfig& config, const std::vector<std::string>& tags) {
  json::object platform;
  platform.emplace("architecture", config.architecture);
  platform.emplace("os", config.os);
  AddText(platform, "variant", config.variant);
  json::object entry = DescriptorOf(kManifestType, DigestOf(manifest_text), manifest_text.size());
  entry.emplace("platform", platform);
  json::array manifests;
  if (tags.empty()) manifests.emplace_back(entry);
  for (const std::string& tag : tags) {
    json::object annotations;
    annotations.emplace("io.containerd.image.name", tag);
    annotations.emplace("org.opencontainers.image.ref.name", tag.substr(tag.rfind(':') + 1));
    json::object tagged = entry;
    tagged.emplace("annotations", std::move(annotations));
    manifests.emplace_back(std::move(tagged));
  }
  json::object document;
  document.emplace("schemaVersion", 2);
  document.emplace("mediaType", "application/vnd.oci.image.index.v1+json");
  document.emplace("manifests", std::move(manifests));
  return json::serialize(document);
}

std::string MakeSavedImages(std::string_view config_text, const std::vector<NewLayer>& layers,
                            const std::vector<std::string>& tags) {
  json::object image;
  image.emplace("Config", DigestOf(config_text).File());
  image.emplace("RepoTags", json::array(tags.begin(), tags.end()));
  json::array files;
  for (const NewLayer& layer : layers) files.emplace_back(layer.digest.File());
  image.emplace("Layers", std::move(files));
  return json::serialize(json::array({std::move(image)}));
}

}  // namespace platter::docker
