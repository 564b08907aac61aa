#include "registry-core/ingest/staged_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "formats/core/checked.h"
#include "registry-core/ingest/size_limits.h"

namespace platter::registry {
namespace {

Error Ended() { return Error(ErrorKind::kInvalid, "the upload has ended"); }

// How often an upload asks whether its image is still wanted.
constexpr std::chrono::seconds kAskEvery{2};

Error Deleted() { return Error(ErrorKind::kCancelled, "the image was deleted meanwhile"); }

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
  ImageRecord image = PLATTER_TRY(context.catalog.Find(image_id));
  std::unique_ptr<StagedUpload> upload(new StagedUpload(context, std::move(image), declared_size));
  PLATTER_CHECK(CheckImageSize(context.rules, upload->quota_left_, declared_size.value_or(0)));
  auto writer = PLATTER_TRY(staging.store().Put(image_id, declared_size));
  auto moved = context.catalog.Change(image_id, [&](ImageRecord& record) -> Result<> {
    if (record.status != Status::kQueued) {
      return Error(ErrorKind::kConflict, "the image is not in the state for an upload")
          .Found(std::string(StatusName(record.status)))
          .Allowed("queued");
    }
    record.status = Status::kUploading;
    record.size = declared_size;
    record.updated = Now();
    return Done{};
  });
  if (!moved.ok()) return std::move(moved).error();
  upload->image_ = std::move(moved).value();
  upload->writer_ = std::move(writer);
  // All that begin at the same time say first how much they take, and look afterwards.
  auto limit = upload->FindLimit();
  if (!limit.ok()) return upload->End(std::move(limit).error());
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
  PLATTER_CHECK(CheckImageSize(context_.rules, quota_left_, *size));
  position_ = *size;
  PLATTER_CHECK(writer_->Write(bytes));
  return CheckGoingOn();
}

// What is staged takes as much room as what is not, and nobody says when it goes.
Result<> StagedUpload::FindLimit() {
  if (context_.rules.quota_bytes) {
    const std::uint64_t quota = *context_.rules.quota_bytes;
    const Usage usage = PLATTER_TRY(context_.catalog.UsageOf(image_.owner));
    const std::uint64_t used = usage.bytes + usage.staged;
    const std::uint64_t others = used - std::min(used, image_.size.value_or(0));
    quota_left_ = quota - std::min(quota, others);
  }
  return CheckImageSize(context_.rules, quota_left_, declared_size_.value_or(position_));
}

Result<> StagedUpload::CheckGoingOn() {
  const auto now = std::chrono::steady_clock::now();
  if (now - asked_ < kAskEvery) return Done{};
  asked_ = now;
  // Others of its owner see what it has said in the beginning, or says now.
  if (declared_size_ || !context_.rules.quota_bytes) return CheckWanted();
  auto checked = NoteSize();
  if (checked.ok()) checked = FindLimit();
  // A database that is away for a moment is no reason to end what may still be well.
  return checked.ok() || checked.error().kind() != ErrorKind::kIo ? std::move(checked) : Result<>(Done{});
}

Result<> StagedUpload::CheckWanted() {
  const auto found = context_.catalog.Find(image_.id);
  if (!found.ok() && found.error().kind() != ErrorKind::kNotFound) return Done{};
  return found.ok() && found.value().status == Status::kUploading ? Result<>(Done{}) : Result<>(Deleted());
}

Result<> StagedUpload::NoteSize() {
  auto changed = context_.catalog.Change(image_.id, [&](ImageRecord& record) -> Result<> {
    if (record.status != Status::kUploading) return Deleted();
    record.size = position_;
    record.updated = Now();
    return Done{};
  });
  if (!changed.ok() && changed.error().kind() == ErrorKind::kNotFound) return Deleted();
  if (!changed.ok()) return std::move(changed).error();
  image_.size = position_;
  return Done{};
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
  if (!declared_size_ && context_.rules.quota_bytes) {
    PLATTER_CHECK(NoteSize());
    PLATTER_CHECK(FindLimit());
  }
  PLATTER_CHECK(writer_->Commit());
  PLATTER_CHECK(NoteSize());
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
