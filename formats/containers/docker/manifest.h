// The documents of container images: `docker save`'s manifest.json, and index, manifest and config of the OCI image
// specification (and of docker's, which differ in media types). Bytes in, values out; no name leads anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/containers/docker/digest.h"
#include "formats/core/result.h"

namespace platter::docker {

inline constexpr std::string_view kManifestJson = "manifest.json";
inline constexpr std::string_view kIndexJson = "index.json";
inline constexpr std::string_view kLayoutFile = "oci-layout";

// More is no image that anyone runs: docker's own bound is 127 layers.
inline constexpr std::size_t kMostLayers = 1024;     // of an image, and lines of its history
inline constexpr std::size_t kMostManifests = 1024;  // of an index

struct HistoryEntry {
  std::string created;  // RFC 3339, as written
  std::string created_by;
  std::string comment;
  bool empty_layer = false;
};

struct ImageConfig {
  std::string created;
  std::string author;
  std::string architecture;
  std::string os;
  std::string variant;
  std::string user;
  std::string working_directory;
  std::vector<std::string> entry_point;
  std::vector<std::string> command;
  std::vector<std::string> environment;
  std::vector<std::string> exposed_ports;
  std::vector<std::string> volumes;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<BlobDigest> diff_ids;  // of the unpacked layers, lowest first
  std::vector<HistoryEntry> history;
};

// One image of manifest.json; names of files in the archive, as written.
struct SavedImage {
  std::string config;
  std::vector<std::string> tags;
  std::vector<std::string> layers;
  std::string elsewhere;  // a layer that has URLs from which it may be fetched; "" for none
};

// A reference to content by its digest.
struct Descriptor {
  std::string media_type;
  BlobDigest digest;
  std::uint64_t size = 0;  // bytes
  bool elsewhere = false;  // has URLs from which it may be fetched
  std::string name;        // of an image: its tag, by the annotations that tools use; "" for none
  bool attestation = false;
  std::string architecture;
  std::string os;
};

// An index lists manifests, a manifest has a config and layers.
struct Manifest {
  std::string media_type;
  bool is_index = false;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> config;
  std::vector<Descriptor> layers;
};

// Errors: kCorrupt, kUnsupported for digests of unknown algorithms and for versions that are not known, kLimit.
Result<ImageConfig> ParseConfig(std::span<const std::byte> text);                   // structure "image config"
Result<std::vector<SavedImage>> ParseSavedImages(std::span<const std::byte> text);  // structure "manifest.json"
// `structure`: "image index" or "image manifest", in messages.
Result<Manifest> ParseManifest(std::span<const std::byte> text, std::string_view structure);
// The file "oci-layout".
Result<> CheckLayoutVersion(std::span<const std::byte> text);

// Whether a layer of this type is a tar, be it compressed.
bool IsLayerType(std::string_view media_type) noexcept;
// Whether this is the type of an image's config.
bool IsConfigType(std::string_view media_type) noexcept;

}  // namespace platter::docker
