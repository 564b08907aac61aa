// Locations: images whose bytes lie on a server of somebody else, and stay there.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/ingest/upload.h"
#include "registry-core/model/image_record.h"

namespace platter::registry {

struct NewLocation {
  std::string url;
  std::map<std::string, std::string> metadata = {};  // as Location has it
  std::optional<std::size_t> position = {};          // among the image's locations; empty: behind them all
  std::size_t replaced = 0;  // of the image's locations, which the caller takes away next: for the quota they are gone
  // What the client says of the bytes, "validation_data", in hexadecimal digits.
  std::optional<std::string> checksum = {};  // MD5
  std::optional<std::string> hash_algorithm = {};
  std::optional<std::string> hash_value = {};
};

// Adds a location that a read-only store of ours owns. A queued image becomes active with it: the object is inspected
// where it lies, as the stored file of an upload is (one on a server without ranges in the staging area, where nothing
// of it stays), size and virtual_size are what was found, checksum and digest what the client says. Of an active image
// the object must have the size and the digest: it is read whole. Takes as long as the server does.
//
// kNotFound: the image. kConflict: it is neither queued nor active, was changed meanwhile, has other digests, or its
// bytes are others. kInvalid: what is wrong with the location: no store for it, one that may not be asked, that leads
// to nothing, whose server is away, that cannot be looked into; a position that is none; formats that are not set.
// kExists: it is there already. kDenied: what was found is unsafe or not what the record declares (`refusal` says
// more). kLimit: too large, over the owner's quota, which counts each location, or too much metadata. kIo: the database
// or the staging area. kCancelled, as IngestContext says. The image is then as it was.
Result<ImageRecord> AddLocation(const IngestContext& context, const StagingArea& staging, std::string_view image_id,
                                const NewLocation& location, Refusal& refusal);

}  // namespace platter::registry
