#include "formats/containers/docker/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "formats/containers/docker/findings.h"
#include "formats/containers/docker/json.h"
#include "formats/core/finding_count.h"

namespace platter::docker {
namespace {

constexpr int kMostNesting = 4;                                 // of an index in an index
constexpr std::size_t kMostImages = 1024;                       // of all indexes together
constexpr std::size_t kMostComparisons = std::size_t{1} << 20;  // of tags

class CatalogReader {
 public:
  CatalogReader(Blobs& blobs, const Limits& limits, Catalog& catalog)
      : blobs_(blobs), room_(limits.metadata_bytes), out_(catalog) {}

  Result<> Run() {
    PLATTER_CHECK(Guard(ReadLayout()));
    PLATTER_CHECK(Guard(ReadSaved()));
    PLATTER_CHECK(Guard(ReadIndex()));
    if (!blobs_.complete()) return Done{};
    CompareLists();
    if (out_.images.empty() && !out_.fault) {
      const bool any = out_.listed || out_.indexed;
      return Guard(Error(any ? ErrorKind::kCorrupt : ErrorKind::kNotThisFormat, "there is no image in it")
                       .At(std::string(out_.listed ? kManifestJson : "image index"), "images"));
    }
    return Done{};
  }

 private:
  struct Document {
    std::vector<std::byte> text;
    bool there = false;
  };

  // What is the host's stays an error, everything else is a finding.
  Result<> Guard(Result<> done) {
    if (done.ok()) return done;
    Error error = std::move(done).error();
    if (error.kind() == ErrorKind::kIo) return error;
    Keep(FindingOf("docker", kFindingRules, error));
    if (!out_.fault) out_.fault = std::move(error);
    return Done{};
  }

  void Keep(Finding finding) {
    if (count_.Keeps(finding.code, finding.concern)) out_.findings.push_back(std::move(finding));
  }

  void Warn(std::string code, std::string message, std::string value = "") {
    Keep(MakeFinding(std::move(code), Concern::kNone, std::move(message), std::move(value)));
  }

  Result<Document> Read(std::string_view file, std::string_view structure) {
    const auto stored = PLATTER_TRY(blobs_.Open(file));
    Document document;
    if (stored == nullptr) return document;
    if (stored->size() > std::min<std::uint64_t>(room_, kMostJson)) {
      return Error(ErrorKind::kLimit, "the documents of the images are too long")
          .At(std::string(structure), "whole file")
          .Found(stored->size());
    }
    room_ -= stored->size();
    document.text.resize(stored->size());
    PLATTER_CHECK(stored->ReadAt(0, document.text));
    document.there = true;
    return document;
  }

  // A document that is named by its digest.
  Result<Document> Read(const Descriptor& descriptor, std::string_view structure) {
    Document document = PLATTER_TRY(Read(descriptor.digest.File(), structure));
    if (!document.there) return document;
    PLATTER_CHECK(Compare(document, descriptor.digest, structure));
    if (document.text.size() == descriptor.size) return document;
    return Error(ErrorKind::kCorrupt, "a document is not as long as its descriptor says")
        .At(std::string(structure), "size")
        .Found(document.text.size())
        .Allowed(std::to_string(descriptor.size));
  }

  static Result<> Compare(const Document& document, const BlobDigest& digest, std::string_view structure) {
    Hasher hasher(digest.algorithm);
    hasher.Add(document.text);
    const BlobDigest found = hasher.Finish();
    if (found == digest) return Done{};
    return Error(ErrorKind::kCorrupt, "a document is not the one that its digest says")
        .At(std::string(structure), "digest")
        .Found(found.Text())
        .Allowed(digest.Text());
  }

  Error NotThere(std::string_view structure, std::string_view file) const {
    return Error(ErrorKind::kCorrupt, "a file that the image consists of is not there")
        .At(std::string(structure), "file")
        .Found(std::string(file));
  }

  Result<> ReadLayout() {
    const Document document = PLATTER_TRY(Read(kLayoutFile, "oci-layout"));
    return document.there ? CheckLayoutVersion(document.text) : Done{};
  }

  Result<> ReadSaved() {
    const Document document = PLATTER_TRY(Read(kManifestJson, "manifest.json"));
    if (!document.there) return Done{};
    out_.listed = true;
    for (const SavedImage& saved : PLATTER_TRY(ParseSavedImages(document.text))) {
      PLATTER_CHECK(Guard(AddSaved(saved)));
    }
    return Done{};
  }

  Result<> AddSaved(const SavedImage& saved) {
    const Document document = PLATTER_TRY(Read(saved.config, "image config"));
    if (!document.there) return blobs_.complete() ? Result<>(NotThere("manifest.json", saved.config)) : Done{};
    Image image;
    image.config_file = tar::PlainName(saved.config);
    image.config_digest = DigestInName(image.config_file);
    image.tags = saved.tags;
    image.listed = true;
    if (!saved.elsewhere.empty()) AddElsewhere(saved.elsewhere);
    if (image.config_digest) PLATTER_CHECK(Compare(document, *image.config_digest, "image config"));
    image.config = PLATTER_TRY(ParseConfig(document.text));
    PLATTER_CHECK(CompareCounts(saved.layers.size(), image.config, "manifest.json"));
    for (std::size_t at = 0; at < saved.layers.size(); ++at) {
      Layer layer;
      layer.file = tar::PlainName(saved.layers[at]);
      layer.digest = layer.file.starts_with("blobs/") ? DigestInName(layer.file) : std::nullopt;
      layer.diff_id = image.config.diff_ids[at];
      image.layers.push_back(PLATTER_TRY(AddLayer(saved.layers[at], std::move(layer))));
    }
    AddImage(std::move(image));
    return Done{};
  }

  // By the name that docker save and image layouts give files; none for others.
  static std::optional<BlobDigest> DigestInName(std::string_view file) {
    for (const DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha512}) {
      const std::string folder = BlobDigest{algorithm, ""}.File();
      if (!file.starts_with(folder)) continue;
      std::string text = BlobDigest{algorithm, std::string(file.substr(folder.size()))}.Text();
      auto digest = ParseDigest(text, "image config", "name");
      return digest.ok() ? std::optional(std::move(digest).value()) : std::nullopt;
    }
    if (file.starts_with("sha256:")) file.remove_prefix(7);
    if (file.ends_with(".json")) file.remove_suffix(5);
    return IsSha256(file) ? std::optional(BlobDigest{DigestAlgorithm::kSha256, std::string(file)}) : std::nullopt;
  }

  static Result<> CompareCounts(std::size_t layers, const ImageConfig& config, std::string_view structure) {
    if (layers == config.diff_ids.size()) return Done{};
    return Error(ErrorKind::kCorrupt, "the image has another number of layers than its config says")
        .At(std::string(structure), "layers")
        .Found(layers)
        .Allowed(std::to_string(config.diff_ids.size()));
  }

  // The layer's place in the catalog, where it stands once.
  Result<std::size_t> AddLayer(std::string_view name, Layer layer) {
    const auto known = places_.find(layer.file);
    if (known == places_.end()) {
      const auto stored = PLATTER_TRY(blobs_.Open(name));
      if (stored == nullptr && blobs_.complete()) return NotThere("layer", layer.file);
      if (stored != nullptr) layer.stored_size = stored->size();
      places_.emplace(layer.file, out_.layers.size());
      out_.layers.push_back(std::move(layer));
      return out_.layers.size() - 1;
    }
    Layer& there = out_.layers[known->second];
    if (there.diff_id != layer.diff_id) {
      return Error(ErrorKind::kCorrupt, "two images say different things of one layer")
          .At("layer", "diff_id")
          .Found(layer.file);
    }
    if (!there.digest) there.digest = std::move(layer.digest);
    if (there.media_type.empty()) there.media_type = std::move(layer.media_type);
    return known->second;
  }

  Result<> ReadIndex() {
    const Document document = PLATTER_TRY(Read(kIndexJson, "image index"));
    if (!document.there) return Done{};
    out_.indexed = true;
    const Manifest index = PLATTER_TRY(ParseManifest(document.text, "image index"));
    if (!index.is_index) {
      return Error(ErrorKind::kCorrupt, "the document is no index").At("image index", "manifests");
    }
    return ReadManifests(index, {}, 0);
  }

  // What an index in index.json says of all that it lists.
  struct Group {
    std::string name;  // a tag, or ""
    std::string digest;
  };

  Result<> ReadManifests(const Manifest& index, const Group& group, int depth) {
    std::size_t missing = 0;
    for (const Descriptor& descriptor : index.manifests) {
      if (++manifests_ > kMostImages) {
        return Error(ErrorKind::kLimit, "there are too many manifests").At("image index", "manifests");
      }
      PLATTER_CHECK(Guard(ReadManifest(descriptor, group, depth, missing)));
    }
    // docker saves the index of an image for many platforms with what it has of them.
    if (missing != 0 && blobs_.complete()) {
      if (missing == index.manifests.size()) return NotThere("image index", index.manifests.front().digest.File());
      Warn("docker.missing_manifest", "the index lists manifests that are not there", std::to_string(missing));
    }
    return Done{};
  }

  Result<> ReadManifest(const Descriptor& descriptor, const Group& group, int depth, std::size_t& missing) {
    const Document document = PLATTER_TRY(Read(descriptor, "image manifest"));
    if (!document.there) {
      ++missing;
      return Done{};
    }
    const Manifest manifest = PLATTER_TRY(ParseManifest(document.text, "image manifest"));
    if (!descriptor.media_type.empty() && !manifest.media_type.empty() &&
        descriptor.media_type != manifest.media_type) {
      return Error(ErrorKind::kCorrupt, "the document is not of the type that its descriptor says")
          .At("image manifest", "mediaType")
          .Found(manifest.media_type)
          .Allowed(descriptor.media_type);
    }
    const std::string& tag = descriptor.name.empty() ? group.name : descriptor.name;
    if (manifest.is_index) {
      const Group inner{tag, depth == 0 ? descriptor.digest.Text() : group.digest};
      if (depth + 1 < kMostNesting) return ReadManifests(manifest, inner, depth + 1);
      return Error(ErrorKind::kLimit, "indexes lie in indexes").At("image index", "manifests");
    }
    // By a name of its own, programs take it for an image.
    if (descriptor.attestation && descriptor.name.empty()) {
      ++out_.attestations;
      return Done{};
    }
    if (!IsConfigType(manifest.config->media_type)) {
      ++out_.artifacts;
      JudgeArtifact(manifest, descriptor);
      return Done{};
    }
    return AddIndexed(manifest, descriptor.digest, {tag, group.digest});
  }

  // containerd makes an image of what has layers, whatever type its config is of. Those of charts, signatures and the
  // like are of types of their own.
  void JudgeArtifact(const Manifest& manifest, const Descriptor& descriptor) {
    const auto is_layer = [](const Descriptor& layer) { return IsLayerType(layer.media_type); };
    const bool unsaid = manifest.config->media_type.empty() && !descriptor.name.empty();
    if (!unsaid && std::ranges::none_of(manifest.layers, is_layer)) return;
    AddAmbiguous("what some programs take for an image is none by the type of its config", descriptor.digest.Text());
  }

  Result<> AddIndexed(const Manifest& manifest, const BlobDigest& digest, const Group& group) {
    const Document document = PLATTER_TRY(Read(*manifest.config, "image config"));
    if (!document.there) {
      return blobs_.complete() ? Result<>(NotThere("image manifest", manifest.config->digest.File())) : Done{};
    }
    Image image;
    image.config_file = manifest.config->digest.File();
    image.config_digest = manifest.config->digest;
    image.manifest = digest;
    image.indexed = true;
    if (!group.digest.empty()) image.groups.push_back(group.digest);
    if (!group.name.empty()) image.tags.push_back(group.name);
    image.config = PLATTER_TRY(ParseConfig(document.text));
    PLATTER_CHECK(CompareCounts(manifest.layers.size(), image.config, "image manifest"));
    for (std::size_t at = 0; at < manifest.layers.size(); ++at) {
      const std::size_t place = PLATTER_TRY(AddIndexedLayer(manifest.layers[at], image.config.diff_ids[at]));
      image.layers.push_back(place);
    }
    AddImage(std::move(image));
    return Done{};
  }

  Result<std::size_t> AddIndexedLayer(const Descriptor& descriptor, const BlobDigest& diff_id) {
    if (!IsLayerType(descriptor.media_type)) {
      return Error(ErrorKind::kUnsupported, "a layer of a type that is not known")
          .At("image manifest", "layers")
          .Found(descriptor.media_type);
    }
    if (descriptor.elsewhere) AddElsewhere(descriptor.digest.Text());
    Layer layer;
    layer.file = descriptor.digest.File();
    layer.media_type = descriptor.media_type;
    layer.digest = descriptor.digest;
    layer.diff_id = diff_id;
    const std::string name = layer.file;
    const std::size_t place = PLATTER_TRY(AddLayer(name, std::move(layer)));
    const auto stored_size = out_.layers[place].stored_size;
    if (!stored_size || *stored_size == descriptor.size) return place;
    return Error(ErrorKind::kCorrupt, "a layer is not as long as its descriptor says")
        .At("image manifest", "size")
        .Found(*stored_size)
        .Allowed(std::to_string(descriptor.size));
  }

  // One image may be in both lists.
  void AddImage(Image image) {
    for (Image& there : out_.images) {
      if (there.config_file != image.config_file || there.layers != image.layers) continue;
      for (std::string& tag : image.tags) {
        // Beside a whole name, the tag alone says nothing more.
        const auto covers = [&](const std::string& known) { return known == tag || known.ends_with(":" + tag); };
        if (std::ranges::none_of(there.tags, covers)) there.tags.push_back(std::move(tag));
      }
      if (!there.manifest) there.manifest = image.manifest;
      there.groups.insert(there.groups.end(), image.groups.begin(), image.groups.end());
      there.listed = there.listed || image.listed;
      there.indexed = there.indexed || image.indexed;
      return;
    }
    out_.images.push_back(std::move(image));
  }

  void AddElsewhere(const std::string& layer) {
    Keep(
        MakeFinding("docker.layer_elsewhere", Concern::kReference, "a layer may be fetched from another place", layer));
  }

  void AddAmbiguous(std::string message, const std::string& value) {
    Keep(MakeFinding("docker.ambiguous", Concern::kAmbiguous, std::move(message), value));
  }

  // Images for several platforms go by one name, and manifest.json has one of them.
  static bool AreSiblings(const Image& a, const Image& b) {
    const auto platform = [](const Image& image) {
      return std::tie(image.config.os, image.config.architecture, image.config.variant);
    };
    const bool together = std::ranges::find_first_of(a.groups, b.groups) != a.groups.end();
    return together && platform(a) != platform(b);
  }

  // Programs read one list or the other.
  void CompareLists() {
    if (!out_.listed || out_.fault) return;
    CompareTags();
    if (!out_.indexed) return;
    const auto listed = [](const Image& image) { return image.listed; };
    // Nothing is in manifest.json where an image was saved without a name.
    if (std::ranges::none_of(out_.images, listed)) return;
    for (const Image& image : out_.images) {
      const auto stands_for = [&](const Image& other) { return other.listed && AreSiblings(image, other); };
      if (image.listed ? image.indexed : std::ranges::any_of(out_.images, stands_for)) continue;
      AddAmbiguous("manifest.json and index.json list different images", image.config_file);
    }
  }

  // "app:1" is "docker.io/library/app:1", and for programs that know tags only it is "1".
  static bool AreSameTag(std::string_view a, std::string_view b) {
    for (const std::string_view known : {"docker.io/", "library/"}) {
      if (a.starts_with(known)) a.remove_prefix(known.size());
      if (b.starts_with(known)) b.remove_prefix(known.size());
    }
    const auto covers = [](std::string_view whole, std::string_view tag) {
      return tag.find(':') == std::string_view::npos && whole.size() > tag.size() && whole.ends_with(tag) &&
             whole[whole.size() - tag.size() - 1] == ':';
    };
    return a == b || covers(a, b) || covers(b, a);
  }

  void CompareTags() {
    std::size_t compared = 0;
    for (std::size_t at = 0; at < out_.images.size(); ++at) {
      for (std::size_t before = 0; before < at; ++before) {
        const Image& a = out_.images[before];
        const Image& b = out_.images[at];
        if (AreSiblings(a, b)) continue;
        for (const std::string& tag : a.tags) {
          compared += b.tags.size();
          if (compared > kMostComparisons) return AddAmbiguous("there are too many tags to compare them", tag);
          const auto same = [&](const std::string& other) { return AreSameTag(tag, other); };
          if (std::ranges::any_of(b.tags, same)) return AddAmbiguous("two images have one tag", tag);
        }
      }
    }
  }

  Blobs& blobs_;
  std::uint64_t room_;  // bytes that documents may still take
  Catalog& out_;
  FindingCount count_;
  std::map<std::string, std::size_t> places_;  // of layers, by file
  std::size_t manifests_ = 0;
};

}  // namespace

Finding MakeFinding(std::string code, Concern concern, std::string message, std::string value) {
  Finding finding;
  finding.code = std::move(code);
  finding.concern = concern;
  finding.severity = concern == Concern::kNone ? Severity::kWarning : SeverityOf(concern);
  finding.value = std::move(value);
  finding.message = std::move(message);
  return finding;
}

Result<> ReadCatalog(Blobs& blobs, const Limits& limits, Catalog& catalog) {
  return CatalogReader(blobs, limits, catalog).Run();
}

}  // namespace platter::docker
