// A container image out of a file system.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/containers/docker/layer_stream.h"
#include "formats/containers/docker/manifest.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/ext/file_system.h"

namespace platter::docker {

struct WrapRequest {
  std::vector<std::string> tags;  // "name:tag"
  ImageConfig config;             // os and architecture are set; the history is the caller's
  Compression compression = Compression::kGzip;
  unsigned workers = 1;  // threads that compress; never changes the output
  Limits limits;
  const std::atomic<bool>* cancel = nullptr;  // once true: kCancelled
};

struct Wrapped {
  std::uint64_t files = 0;    // members of the layer
  std::uint64_t sockets = 0;  // left out: a layer holds none
  // Left out, too: files and folders named .wh.*, which a layer would take for whiteouts, and extended attributes with
  // '=' in their names, where pax has the end of a name.
  std::uint64_t whiteouts = 0;
  std::uint64_t attributes = 0;
  std::uint64_t size = 0;  // bytes that the layer unpacks to
  std::string digest;      // of the manifest
};

// Writes an archive with one image of one layer that holds the file system's files: the kind of archive that docker
// save writes, which is an image layout, too. Folders come before what is in them, by name; the same files and request
// give the same bytes. An empty lost+found is the file system's own, and stays out. kCorrupt for folders in a circle
// and names that no file can have; kLimit for a tree of more than 8 times limits.metadata_bytes; errors of
// ext::FileSystem; kUnsupported where `target` takes its bytes in order only.
Result<Wrapped> Wrap(ext::FileSystem& files, const WrapRequest& request, Storage& target);

// The architecture of the programs in it, as container images call it ("amd64", "arm64", ...); "" where there is none
// to be found.
Result<std::string> ArchitectureOf(ext::FileSystem& files);

}  // namespace platter::docker
