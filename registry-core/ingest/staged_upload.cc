#include "registry-core/ingest/staged_upload.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "formats/core/checked.h"

namespace platter::registry {
namespace {

Error Ended() { return Error(ErrorKind::kInvalid, "the upload has ended"); }

Result<> CheckSize(const IngestRules& rules, std::uint64_t size) {
  if (size <= rules.max_image_bytes) return Done{};
  return Error(ErrorKind::kLimit, "the image is larger than images may be")
      .Found(size)
      .Allowed(fmt::format("{} bytes", rules.max_image_bytes));
}

// Puts the record back where a client may try again; an image that was deleted stays so.
void Requeue(Catalog& catalog, std::string_view image_id) {
  (void)catalog.Change(image_id, [](ImageRecord& record) -> Result<> {
    if (record.status != Status::kUploading) return Error(ErrorKind::kCancelled, "the image is not being staged");
    registry::Requeue(record);
    return Done{};
  });
}

}  // namespace

// As with Upload, the sign of life comes before the state that needs one.
Result<std::unique_ptr<StagedUpload>> StagedUpload::Begin(const IngestContext& context, const StagingArea& staging,
                                                          std::string_view image_id,
                                                          std::optional<std::uint64_t> declared_size) {
  PLATTER_CHECK(CheckSize(context.rules, declared_size.value_or(0)));
  ImageRecord image = PLATTER_TRY(context.catalog.Find(image_id));
  std::unique_ptr<StagedUpload> upload(new StagedUpload(context, std::move(image), declared_size));
  auto writer = PLATTER_TRY(staging.store().Put(image_id, declared_size));
  auto moved = context.catalog.Change(image_id, [&](ImageRecord& record) -> Result<> {
    if (record.status != Status::kQueued) {
      return Error(ErrorKind::kConflict, "the image is not in the state for an upload")
          .Found(std::string(StatusName(record.status)))
          .Allowed("queued");
    }
    record.status = Status::kUploading;
    record.updated = Now();
    return Done{};
  });
  if (!moved.ok()) return std::move(moved).error();
  upload->writer_ = std::move(writer);
  // What an import that was killed has left would be taken for what is staged now, which has no name yet.
  auto removed = staging.Remove(image_id);
  if (!removed.ok()) return upload->End(std::move(removed).error());
  return upload;
}

StagedUpload::~StagedUpload() {
  if (writer_) (void)End(Error(ErrorKind::kCancelled, "the connection was broken off"));
}

Result<> StagedUpload::Feed(std::span<const std::byte> bytes) {
  if (!writer_) return Ended();
  auto taken = Take(bytes);
  if (!taken.ok()) return End(std::move(taken).error());
  return Done{};
}

Result<> StagedUpload::Take(std::span<const std::byte> bytes) {
  const auto size = CheckedAdd<std::uint64_t>(position_, bytes.size());
  if (!size || (declared_size_ && *size > *declared_size_)) {
    return Error(ErrorKind::kInvalid, "more bytes came than were announced")
        .Allowed(fmt::format("{}", declared_size_.value_or(0)));
  }
  PLATTER_CHECK(CheckSize(context_.rules, *size));
  position_ = *size;
  return writer_->Write(bytes);
}

Result<> StagedUpload::Finish() {
  if (!writer_) return Ended();
  auto completed = Complete();
  if (!completed.ok()) return End(std::move(completed).error());
  return Done{};
}

Result<> StagedUpload::Complete() {
  if (declared_size_ && position_ != *declared_size_) {
    return Error(ErrorKind::kInvalid, "fewer bytes came than were announced")
        .Found(position_)
        .Allowed(fmt::format("{}", *declared_size_));
  }
  PLATTER_CHECK(writer_->Commit());
  auto changed = context_.catalog.Change(image_.id, [&](ImageRecord& record) -> Result<> {
    if (record.status != Status::kUploading) return Error(ErrorKind::kCancelled, "the image was deleted meanwhile");
    record.size = position_;
    record.updated = Now();
    return Done{};
  });
  if (!changed.ok() && changed.error().kind() == ErrorKind::kNotFound) {
    return Error(ErrorKind::kCancelled, "the image was deleted meanwhile");
  }
  if (!changed.ok()) return std::move(changed).error();
  // What cannot be settled now is settled by the next sweep.
  (void)writer_->Settle();
  writer_.reset();
  return Done{};
}

// As with Upload, the sign of life goes after the state that needs one.
Error StagedUpload::End(Error error) {
  Requeue(context_.catalog, image_.id);
  writer_.reset();
  return error;
}

}  // namespace platter::registry
