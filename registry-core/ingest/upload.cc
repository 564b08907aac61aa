#include "registry-core/ingest/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "convert/hash/algorithm.h"
#include "formats/core/checked.h"
#include "formats/inspect/inspector.h"
#include "registry-core/ingest/judgement.h"
#include "registry-core/ingest/size_limits.h"
#include "registry-core/ingest/watched_storage.h"

namespace platter::registry {
namespace {

// How often an upload asks whether its image is still wanted.
constexpr std::chrono::seconds kAskEvery{2};
// How long it waits for a database that went away in the middle of the last transaction.
constexpr int kSettleTries = 6;
constexpr std::chrono::milliseconds kFirstPause{50};

Error Deleted() { return Error(ErrorKind::kCancelled, "the image was deleted while its bytes arrived"); }

// What `step` answers, tried again for some seconds where the database is away.
template <class Step>
auto Patiently(const Step& step) -> decltype(step()) {
  for (int attempt = 1;; ++attempt) {
    auto done = step();
    if (done.ok() || done.error().kind() != ErrorKind::kIo || attempt == kSettleTries) return done;
    std::this_thread::sleep_for(kFirstPause * (1 << attempt));
  }
}

struct Target {
  Store* store = nullptr;
  std::unique_ptr<StoreWriter> writer;
  std::string url = {};
};

class ImageUpload final : public Upload {
 public:
  ImageUpload(const IngestContext& context, ImageRecord image, Way way, std::optional<std::uint64_t> declared_size)
      : context_(context),
        image_(std::move(image)),
        during_(way == Way::kDirect ? Status::kSaving : Status::kImporting),
        declared_size_(declared_size),
        declared_(DeclaredBy(context.rules, image_)),
        memory_(context.UnpackMemoryOf(image_.owner.value_or(""))),
        inspector_({.policy = declared_.policy, .unpacking = {.memory = memory_.get()}}) {}
  ~ImageUpload() override {
    if (begun_ && !ended_) (void)End(Error(ErrorKind::kCancelled, "the connection was broken off"));
  }

  Result<> Start(const UploadTargets& targets);
  Result<> Feed(std::span<const std::byte> bytes) override;
  Result<ImageRecord> Finish() override;
  const Refusal& refusal() const noexcept override { return refusal_; }
  const std::vector<std::string>& failed_stores() const noexcept override { return failed_stores_; }

 private:
  Result<> FindStores(const UploadTargets& targets);
  Result<> FindLimit();
  Result<> CheckQuota();
  Result<> MoveRecord(Status before);
  Result<> CheckFormats(const ImageRecord& record) const;
  Result<> Take(std::span<const std::byte> bytes);
  Result<> CheckSize(std::uint64_t size) const;
  Result<> CheckWanted();
  Result<> CheckGoingOn();
  Result<> CheckStored();
  Result<> WriteAll(std::span<const std::byte> bytes);
  Result<> CommitAll();
  Result<std::vector<DigestValue>> Digests();
  Result<std::shared_ptr<Storage>> OpenStored(Target& target);
  Result<inspect::Report> InspectStored();
  Result<> Complete(ImageRecord& record) const;
  Result<ImageRecord> Activate();
  Result<ImageRecord> FinishOrFail();
  // `step` failed for that target: an error where no upload is left that would be enough.
  Result<> Drop(std::size_t target, Error error);
  Error End(Error error);

  const IngestContext& context_;
  ImageRecord image_;
  const Status during_;  // the record's while bytes arrive
  const std::optional<std::uint64_t> declared_size_;
  const Declared declared_;
  bool all_must_succeed_ = true;
  std::optional<std::uint64_t> quota_left_;  // bytes, of all stores together
  std::vector<Target> targets_;
  std::vector<DigestAlgorithm> algorithms_;
  std::unique_ptr<DigestPool::Stream> stream_;
  const std::shared_ptr<MemoryBudget> memory_;  // for inspections; null: there is no limit
  inspect::Inspector inspector_;
  std::uint64_t position_ = 0;  // bytes that were fed
  std::uint64_t virtual_size_ = 0;
  std::vector<DigestValue> digests_;
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
  bool begun_ = false;  // the record is in during_ because of us
  bool ended_ = false;
  Refusal refusal_;
  std::vector<std::string> failed_stores_;
};

Result<> ImageUpload::FindStores(const UploadTargets& targets) {
  all_must_succeed_ = targets.all_must_succeed;
  if (targets.stores.empty()) targets_.push_back({.store = &context_.stores.default_store(), .writer = nullptr});
  for (const std::string& name : targets.stores) {
    Store* store = name.empty() ? &context_.stores.default_store() : context_.stores.Find(name);
    if (store == nullptr) return Error(ErrorKind::kInvalid, "there is no store of that name").Found(name);
    if (store->read_only()) return Error(ErrorKind::kInvalid, "the store takes no images").Found(name);
    if (std::ranges::find(targets_, store, &Target::store) == targets_.end()) {
      targets_.push_back({.store = store, .writer = nullptr});
    }
  }
  return Done{};
}

Result<> ImageUpload::FindLimit() {
  const IngestRules& rules = context_.rules;
  if (rules.quota_bytes) {
    const std::uint64_t used = PLATTER_TRY(context_.catalog.UsageOf(image_.owner)).taken();
    const std::uint64_t others = used - std::min(used, image_.size.value_or(0));
    quota_left_ = *rules.quota_bytes - std::min(*rules.quota_bytes, others);
  }
  return CheckSize(declared_size_.value_or(position_));
}

// All that end at the same time say first how much they take, and look afterwards: what does not fit is seen by one of
// them at least.
Result<> ImageUpload::CheckQuota() {
  if (!context_.rules.quota_bytes) return Done{};
  PLATTER_CHECK(context_.catalog.Change(image_.id, [&](ImageRecord& record) -> Result<> {
    if (record.status != during_) return Deleted();
    record.size = position_;
    return Done{};
  }));
  image_.size = position_;
  return FindLimit();
}

Result<> ImageUpload::CheckSize(std::uint64_t size) const {
  return CheckImageSize(context_.rules, quota_left_, size, targets_.size());
}

// The order matters to sweeps: the store shows a sign of life before the record is in a state that needs one.
Result<> ImageUpload::Start(const UploadTargets& targets) {
  const Status before = during_ == Status::kSaving ? Status::kQueued : Status::kImporting;
  if (image_.status != before) {
    return Error(ErrorKind::kConflict, "the image is not in the state for an upload")
        .Found(std::string(StatusName(image_.status)))
        .Allowed(std::string(StatusName(before)));
  }
  if (!image_.disk_format || !image_.container_format) {
    return Error(ErrorKind::kInvalid, "disk_format and container_format must be set before an upload");
  }
  const auto wanted = FindDigest(context_.rules.hash_algorithm);
  if (!wanted) return Error(ErrorKind::kInvalid, "no such hash algorithm").Found(context_.rules.hash_algorithm);
  algorithms_ = {DigestAlgorithm::kMd5};
  if (*wanted != DigestAlgorithm::kMd5) algorithms_.push_back(*wanted);
  PLATTER_CHECK(FindStores(targets));
  PLATTER_CHECK(FindLimit());
  stream_ = PLATTER_TRY(context_.digests->Open(algorithms_));
  for (std::size_t at = 0; at < targets_.size();) {
    auto writer = targets_[at].store->Put(image_.id, declared_size_);
    if (writer.ok()) {
      targets_[at++].writer = std::move(writer).value();
    } else {
      PLATTER_CHECK(Drop(at, std::move(writer).error()));
    }
  }
  return MoveRecord(before);
}

Result<> ImageUpload::MoveRecord(Status before) {
  auto moved = context_.catalog.Change(image_.id, [&](ImageRecord& record) -> Result<> {
    if (record.status != before) {
      return Error(ErrorKind::kConflict, "somebody else uploads this image")
          .Found(std::string(StatusName(record.status)));
    }
    PLATTER_CHECK(CheckFormats(record));
    record.status = during_;
    record.size = declared_size_;
    record.virtual_size.reset();
    record.updated = Now();
    return Done{};
  });
  if (!moved.ok()) return std::move(moved).error();
  image_ = std::move(moved).value();
  begun_ = true;
  return Done{};
}

// The bytes are judged by the formats that the record had at the start.
Result<> ImageUpload::CheckFormats(const ImageRecord& record) const {
  if (record.disk_format == image_.disk_format && record.container_format == image_.container_format) return Done{};
  return Error(ErrorKind::kConflict, "the image's formats were changed while its bytes arrived");
}

Result<> ImageUpload::Feed(std::span<const std::byte> bytes) {
  if (ended_) return Error(ErrorKind::kInvalid, "the upload has ended");
  auto taken = WithinMemory([&] { return Take(bytes); });
  if (!taken.ok()) return End(std::move(taken).error());
  return Done{};
}

Result<> ImageUpload::Take(std::span<const std::byte> bytes) {
  const auto size = CheckedAdd<std::uint64_t>(position_, bytes.size());
  if (!size || (declared_size_ && *size > *declared_size_)) {
    return Error(ErrorKind::kInvalid, "more bytes came than were announced")
        .Allowed(fmt::format("{}", declared_size_.value_or(0)));
  }
  PLATTER_CHECK(CheckSize(*size));
  // The digests are computed while the rest is done.
  stream_->Update(bytes);
  position_ = *size;
  inspector_.Feed(bytes);
  if (inspector_.report().verdict == inspect::Verdict::kRefused) {
    inspect::Report report = Rejudged(inspector_.report(), context_.rules, declared_, false);
    if (report.verdict == inspect::Verdict::kRefused) return RefusalOf(std::move(report), declared_.policy, refusal_);
  }
  PLATTER_CHECK(WriteAll(bytes));
  return CheckWanted();
}

Result<> ImageUpload::WriteAll(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at < targets_.size();) {
    auto written = targets_[at].writer->Write(bytes);
    if (written.ok()) {
      ++at;
    } else {
      PLATTER_CHECK(Drop(at, std::move(written).error()));
    }
  }
  return Done{};
}

Result<> ImageUpload::Drop(std::size_t target, Error error) {
  if (all_must_succeed_ || targets_.size() == 1) return error;
  failed_stores_.push_back(targets_[target].store->name());
  targets_.erase(targets_.begin() + static_cast<std::ptrdiff_t>(target));
  return Done{};
}

Result<> ImageUpload::CheckWanted() {
  const auto now = std::chrono::steady_clock::now();
  if (now - asked_ < kAskEvery) return Done{};
  asked_ = now;
  const auto found = context_.catalog.Find(image_.id);
  // A database that is away for a moment is no reason to end what may still be well.
  if (!found.ok()) return found.error().kind() == ErrorKind::kNotFound ? Result<>(Deleted()) : Result<>(Done{});
  return found.value().status == during_ ? Result<>(Done{}) : Result<>(Deleted());
}

Result<ImageRecord> ImageUpload::Finish() {
  if (ended_) return Error(ErrorKind::kInvalid, "the upload has ended");
  auto finished = WithinMemory([&] { return FinishOrFail(); });
  if (!finished.ok()) return End(std::move(finished).error());
  ended_ = true;
  return finished;
}

Result<ImageRecord> ImageUpload::FinishOrFail() {
  if (declared_size_ && position_ != *declared_size_) {
    return Error(ErrorKind::kInvalid, "fewer bytes came than were announced")
        .Found(position_)
        .Allowed(fmt::format("{}", *declared_size_));
  }
  inspect::Report streamed = Rejudged(inspector_.Finish(), context_.rules, declared_, true);
  if (streamed.verdict == inspect::Verdict::kRefused) return RefusalOf(std::move(streamed), declared_.policy, refusal_);
  PLATTER_CHECK(CheckStored());
  digests_ = PLATTER_TRY(stream_->Finish());
  PLATTER_CHECK(CommitAll());
  return Activate();
}

Result<std::shared_ptr<Storage>> ImageUpload::OpenStored(Target& target) {
  std::shared_ptr<Storage> stored = target.writer->Written();
  if (!stored) {
    // A store that shows nothing before it is all there, or could not write: Commit says so.
    target.url = PLATTER_TRY(target.writer->Commit());
    stored = PLATTER_TRY(target.store->Open(target.url));
  }
  if (stored->size() == position_) return stored;
  return Error(ErrorKind::kIo, "the store holds fewer bytes than it was given").Found(stored->size());
}

Result<inspect::Report> ImageUpload::InspectStored() {
  auto stored = OpenStored(targets_[0]);
  while (!stored.ok()) {
    PLATTER_CHECK(Drop(0, std::move(stored).error()));
    stored = OpenStored(targets_[0]);
  }
  const auto watched = std::make_shared<WatchedStorage>(std::move(stored).value(), [this] { return CheckGoingOn(); });
  auto report = JudgeStored(watched, context_.rules, declared_, memory_.get());
  if (auto end = watched->TakeEnd()) return std::move(*end);
  return report;
}

Result<> ImageUpload::CheckGoingOn() {
  if (context_.cancelled && context_.cancelled()) {
    return Error(ErrorKind::kCancelled, "the service was stopped while the image was inspected");
  }
  return CheckWanted();
}

Result<> ImageUpload::CheckStored() {
  inspect::Report report = PLATTER_TRY(InspectStored());
  if (report.verdict != inspect::Verdict::kAccepted) return RefusalOf(std::move(report), declared_.policy, refusal_);
  virtual_size_ = report.virtual_size.value_or(position_);
  return Done{};
}

Result<> ImageUpload::CommitAll() {
  for (std::size_t at = 0; at < targets_.size();) {
    Target& target = targets_[at];
    auto url = target.url.empty() ? target.writer->Commit() : Result<std::string>(target.url);
    if (url.ok()) {
      target.url = std::move(url).value();
      ++at;
    } else {
      PLATTER_CHECK(Drop(at, std::move(url).error()));
    }
  }
  return Done{};
}

Result<> ImageUpload::Complete(ImageRecord& record) const {
  record.status = Status::kActive;
  record.size = position_;
  record.virtual_size = virtual_size_;
  record.checksum = digests_.front().Hex();
  record.hash_algorithm = std::string(TraitsOf(algorithms_.back()).name);
  record.hash_value = digests_.back().Hex();
  record.updated = Now();
  for (const Target& target : targets_) record.locations.push_back({target.url, target.store->name(), {}});
  return Done{};
}

Result<ImageRecord> ImageUpload::Activate() {
  PLATTER_CHECK(Patiently([this] { return CheckQuota(); }));
  std::optional<ImageRecord> done;
  auto changed = Patiently([&] {
    return context_.catalog.Change(image_.id, [&](ImageRecord& record) -> Result<> {
      const bool ours = std::ranges::any_of(record.locations,
                                            [&](const Location& location) { return location.url == targets_[0].url; });
      if (ours) done = record;  // the database had done it before it went away
      if (ours || record.status != during_) return Deleted();
      PLATTER_CHECK(CheckFormats(record));
      return Complete(record);
    });
  });
  if (!changed.ok() && changed.error().kind() == ErrorKind::kNotFound) return Deleted();
  if (!changed.ok() && !done) {
    // Done or not done, only the database knows: whoever asks it later decides what becomes of the objects.
    if (changed.error().kind() == ErrorKind::kIo) {
      for (Target& target : targets_) target.writer->Leave();
    }
    return changed;
  }
  // What cannot be settled now stays as it is, and is settled by the next sweep.
  for (Target& target : targets_) target.writer->Leave();
  for (Target& target : targets_) (void)target.writer->Settle();
  targets_.clear();
  return done ? Result<ImageRecord>(std::move(*done)) : std::move(changed);
}

Error ImageUpload::End(Error error) {
  ended_ = true;
  stream_.reset();
  // A database that is away leaves the record as it is, for a sweep.
  auto back = context_.catalog.Change(image_.id, [&](ImageRecord& record) -> Result<> {
    if (record.status != during_) return Error(ErrorKind::kConflict, "the image is not in the upload's state");
    Requeue(record);
    return Done{};
  });
  targets_.clear();
  const bool gone = !back.ok() && back.error().kind() == ErrorKind::kNotFound;
  if (gone && error.kind() != ErrorKind::kDenied) return Deleted();
  return error;
}

}  // namespace

Result<std::unique_ptr<Upload>> Upload::Begin(const IngestContext& context, std::string_view image_id, Way way,
                                              const UploadTargets& targets,
                                              std::optional<std::uint64_t> declared_size) {
  ImageRecord image = PLATTER_TRY(context.catalog.Find(image_id));
  auto upload = std::make_unique<ImageUpload>(context, std::move(image), way, declared_size);
  PLATTER_CHECK(upload->Start(targets));
  return std::unique_ptr<Upload>(std::move(upload));
}

Result<std::unique_ptr<Upload>> Upload::Begin(const IngestContext& context, std::string_view image_id, Way way,
                                              std::string_view store, std::optional<std::uint64_t> declared_size) {
  UploadTargets targets;
  if (!store.empty()) targets.stores.emplace_back(store);
  return Begin(context, image_id, way, targets, declared_size);
}

}  // namespace platter::registry
