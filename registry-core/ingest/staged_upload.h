// Bytes on their way into the staging area, where an import fetches them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "formats/core/result.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/ingest/upload.h"

namespace platter::registry {

// Fed by one thread at a time. Every way out of it but a Finish that succeeds leaves the record in queued and nothing
// in the staging area: destroyed before Finish it is a broken connection. What was staged is judged when it is
// imported: nobody can read it before.
class StagedUpload {
 public:
  // Moves the record from queued to uploading, with the size that is declared: it counts against the owner's quota, as
  // does all that is staged. kNotFound, kConflict (not in queued), kLimit (too large, or over quota), kIo.
  static Result<std::unique_ptr<StagedUpload>> Begin(const IngestContext& context, const StagingArea& staging,
                                                     std::string_view image_id,
                                                     std::optional<std::uint64_t> declared_size);
  ~StagedUpload();

  // The bytes that follow. An error ends the upload. kLimit, kIo, kInvalid (more than were announced), kCancelled (the
  // image was deleted some seconds ago).
  Result<> Feed(std::span<const std::byte> bytes);
  // The last byte has come: the record waits in uploading, with its size, for an import. As Feed.
  Result<> Finish();

 private:
  StagedUpload(const IngestContext& context, ImageRecord image, std::optional<std::uint64_t> declared_size)
      : context_(context), image_(std::move(image)), declared_size_(declared_size) {}
  Result<> Take(std::span<const std::byte> bytes);
  Result<> FindLimit();
  // Whether the image is still wanted, and others of its owner leave it room; asks every few seconds.
  Result<> CheckGoingOn();
  Result<> CheckWanted();
  // The record says how much there is, for others of its owner to see.
  Result<> NoteSize();
  Result<> Complete();
  Error End(Error error);

  const IngestContext& context_;
  ImageRecord image_;
  const std::optional<std::uint64_t> declared_size_;
  std::unique_ptr<StoreWriter> writer_;      // null: the upload has ended
  std::uint64_t position_ = 0;               // bytes that were fed
  std::optional<std::uint64_t> quota_left_;  // bytes
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

}  // namespace platter::registry
