#include "formats/containers/docker/describe.h"

#include <utility>

namespace platter::docker {
namespace {

void AddText(Detail& detail, std::string key, std::string_view text) {
  if (!text.empty()) detail.Add(std::move(key), text);
}

void AddTexts(Detail& detail, std::string key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  Detail::List list;
  for (const std::string& text : texts) list.emplace_back(text);
  detail.Add(std::move(key), std::move(list));
}

Detail DetailOf(const HistoryEntry& entry) {
  Detail detail;
  AddText(detail, "created", entry.created);
  AddText(detail, "created-by", entry.created_by);
  AddText(detail, "comment", entry.comment);
  if (entry.empty_layer) detail.Add("empty-layer", true);
  return detail;
}

void AddConfig(Detail& detail, const ImageConfig& config) {
  AddText(detail, "architecture", config.architecture);
  AddText(detail, "variant", config.variant);
  AddText(detail, "os", config.os);
  AddText(detail, "created", config.created);
  AddText(detail, "author", config.author);
  AddTexts(detail, "entry-point", config.entry_point);
  AddTexts(detail, "command", config.command);
  AddTexts(detail, "environment", config.environment);
  AddText(detail, "working-directory", config.working_directory);
  AddText(detail, "user", config.user);
  AddTexts(detail, "exposed-ports", config.exposed_ports);
  AddTexts(detail, "volumes", config.volumes);
  if (config.labels.empty()) return;
  Detail labels;
  for (const auto& [key, value] : config.labels) labels.Add(key, value);
  detail.Add("labels", std::move(labels));
}

Detail DetailOf(const Image& image) {
  Detail detail;
  AddTexts(detail, "tags", image.tags);
  if (image.manifest) detail.Add("digest", image.manifest->Text());
  if (image.config_digest) detail.Add("config-digest", image.config_digest->Text());
  AddConfig(detail, image.config);
  Detail::List layers;
  for (const std::size_t layer : image.layers) layers.emplace_back(std::uint64_t{layer});
  detail.Add("layers", std::move(layers));
  Detail::List history;
  for (const HistoryEntry& entry : image.config.history) history.push_back(DetailOf(entry));
  detail.Add("history", std::move(history));
  return detail;
}

}  // namespace

std::vector<WrappedLayer> WrappedLayers(const Catalog& catalog) {
  std::vector<WrappedLayer> layers;
  for (const Layer& layer : catalog.layers) {
    WrappedLayer& wrapped = layers.emplace_back();
    wrapped.file = layer.file;
    if (layer.digest) wrapped.digest = layer.digest->Text();
    wrapped.diff_id = layer.diff_id.Text();
    wrapped.media_type = layer.media_type;
    wrapped.stored_size = layer.stored_size.value_or(0);
  }
  return layers;
}

Detail DetailOf(const Catalog& catalog) {
  Detail detail;
  std::string kind = catalog.listed ? "docker-archive" : "";
  if (catalog.indexed) kind += kind.empty() ? "oci-layout" : ",oci-layout";
  detail.Add("kind", std::move(kind));
  Detail::List images;
  for (const Image& image : catalog.images) images.push_back(DetailOf(image));
  detail.Add("images", std::move(images));
  if (catalog.attestations != 0) detail.Add("attestations", std::uint64_t{catalog.attestations});
  if (catalog.artifacts != 0) detail.Add("artifacts", std::uint64_t{catalog.artifacts});
  return detail;
}

}  // namespace platter::docker
