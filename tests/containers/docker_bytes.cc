#include "tests/containers/docker_bytes.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <span>

#include "tests/containers/tar_bytes.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";

std::string Blob(const std::string& content) { return "blobs/sha256/" + Sha256Hex(content); }

std::string DescriptorText(const std::string& media_type, const std::string& content, const std::string& more = "",
                           const std::string& size = "") {
  return fmt::format(R"({{"mediaType":"{}","digest":"sha256:{}","size":{}{}}})", media_type, Sha256Hex(content),
                     size.empty() ? std::to_string(content.size()) : size, more);
}

std::string SavedList(const ImageText& image, const std::string& config, const std::vector<std::string>& layers) {
  std::string names;
  for (const std::string& layer : layers) names += fmt::format("{}\"{}\"", names.empty() ? "" : ",", layer);
  return fmt::format(R"([{{"Config":"{}","RepoTags":["{}"],"Layers":[{}]}}])", config, image.tag, names);
}

}  // namespace

std::string Sha256Hex(std::string_view text) { return Sha256OfBytes(std::as_bytes(std::span(text))); }

std::string Gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in(text);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

LayerText SmallLayer(const std::string& file, const std::string& content) {
  LayerText layer;
  layer.tar = TarArchive({TarMember({.name = file, .content = content})});
  return layer;
}

std::string ImageText::Config() const {
  std::string ids;
  for (const LayerText& layer : layers) {
    ids += fmt::format("{}\"sha256:{}\"", ids.empty() ? "" : ",",
                       layer.diff_id.empty() ? Sha256Hex(layer.tar) : layer.diff_id);
  }
  return fmt::format(
      R"({{"architecture":"{}","os":"linux","config":{},"rootfs":{{"type":"layers","diff_ids":[{}]}},"history":{}}})",
      architecture, config, ids, history);
}

ImageText::Files ImageText::Saved() const {
  Files files;
  std::vector<std::string> names;
  for (const LayerText& layer : layers) {
    names.push_back(Sha256Hex(layer.tar) + "/layer.tar");
    files.emplace_back(names.back(), layer.bytes());
  }
  const std::string config_text = Config();
  const std::string config_name = Sha256Hex(config_text) + ".json";
  files.emplace_back(config_name, config_text);
  files.emplace_back("manifest.json", SavedList(*this, config_name, names));
  return files;
}

ImageText::Files ImageText::Layout() const {
  Files files;
  const std::string config_text = Config();
  std::string list;
  for (const LayerText& layer : layers) {
    files.emplace_back(Blob(layer.bytes()), layer.bytes());
    const std::string more = layer.urls.empty() ? "" : ",\"urls\":" + layer.urls;
    list += (list.empty() ? "" : ",") + DescriptorText(layer.media_type, layer.bytes(), more, layer.size);
  }
  files.emplace_back(Blob(config_text), config_text);
  const std::string manifest = fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
                                           kManifestType, DescriptorText(config_type, config_text), list);
  files.emplace_back(Blob(manifest), manifest);
  const std::string name = fmt::format(R"(,"annotations":{{"org.opencontainers.image.ref.name":"{}"}})", tag);
  files.emplace_back("index.json", fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})",
                                               DescriptorText(kManifestType, manifest, name)));
  files.emplace_back("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  return files;
}

ImageText::Files ImageText::Both() const {
  Files files = Layout();
  std::vector<std::string> names;
  for (const LayerText& layer : layers) names.push_back(Blob(layer.bytes()));
  files.emplace_back("manifest.json", SavedList(*this, Blob(Config()), names));
  return files;
}

std::string TarOf(const ImageText::Files& files) {
  std::vector<std::string> members;
  for (const auto& [name, content] : files) members.push_back(TarMember({.name = name, .content = content}));
  return TarArchive(members);
}

std::string TarOfChanged(ImageText::Files files, std::string_view name, std::string_view from, std::string_view to) {
  for (auto at = files.begin(); at != files.end(); ++at) {
    if (at->first != name) continue;
    if (from.empty()) {
      files.erase(at);
      break;
    }
    for (std::size_t found = at->second.find(from); found != std::string::npos;
         found = at->second.find(from, found + to.size())) {
      at->second.replace(found, from.size(), to);
    }
  }
  return TarOf(files);
}

}  // namespace platter::test
