#include "registry-core/ingest/imports.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "formats/core/json.h"

namespace platter::registry {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kLongestMessage = 4096;  // bytes, of a task
constexpr std::string_view kFailedStores = "os_glance_failed_import";

// An object of the staging area, from its beginning to its end.
class StagedSource final : public ByteSource {
 public:
  explicit StagedSource(std::unique_ptr<StoreReader> reader) : reader_(std::move(reader)) {}
  std::optional<std::uint64_t> size() const override { return reader_->size(); }
  Result<std::size_t> ReadSome(std::span<std::byte> out) override {
    const std::uint64_t left = reader_->size() - position_;
    if (left == 0) return std::size_t{0};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left));
    const std::size_t read = PLATTER_TRY(reader_->ReadSome(position_, out.first(count)));
    position_ += read;
    return read;
  }

 private:
  std::unique_ptr<StoreReader> reader_;
  std::uint64_t position_ = 0;
};

struct Job {
  ImportRequest request;
  TaskRecord task;
  std::unique_ptr<StoreWriter> claim;  // the sign of life
};

// The imports of one method. Guarded by Imports' mutex.
struct Lane {
  unsigned share = 0;  // of one owner, that run at a time
  std::condition_variable wake = {};
  std::deque<Job> waiting = {};
  std::map<std::string, unsigned> running = {};  // by owner; those that have some

  unsigned RunningOf(const std::string& owner) const {
    const auto found = running.find(owner);
    return found == running.end() ? 0 : found->second;
  }
  std::size_t WaitingOf(const std::string& owner) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(waiting, [&](const Job& job) { return job.request.owner == owner; }));
  }
  // Which one comes next; the end of `waiting` where none may.
  std::deque<Job>::iterator Next() {
    auto next = waiting.end();
    unsigned fewest = share;
    for (auto job = waiting.begin(); job != waiting.end() && fewest > 0; ++job) {
      const unsigned count = RunningOf(job->request.owner);
      if (count >= fewest) continue;
      fewest = count;
      next = job;
    }
    return next;
  }
};

Status StateBefore(ImportMethod method) noexcept {
  return method == ImportMethod::kStaged ? Status::kUploading : Status::kQueued;
}

Result<> CheckState(const ImageRecord& image, ImportMethod method) {
  const Status wanted = StateBefore(method);
  if (image.status == wanted) return Done{};
  return Error(ErrorKind::kConflict, "the image is not in the state for this import")
      .Found(std::string(StatusName(image.status)))
      .Allowed(std::string(StatusName(wanted)));
}

Error Stopped() { return Error(ErrorKind::kCancelled, "the service was stopped while the image was imported"); }

}  // namespace

class Imports::Impl {
 public:
  Impl(const IngestContext& context, const StagingArea& staging, ImportOptions options)
      : context_(context), staging_(staging), options_(std::move(options)) {
    const unsigned at_once = std::max(options_.at_once, 1U);
    staged_.share = at_once;
    web_.share = std::max(at_once / 2, 1U);
    for (Lane* lane : lanes()) {
      for (unsigned i = 0; i < at_once; ++i) threads_.emplace_back([this, lane] { Work(*lane); });
    }
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    for (Lane* lane : lanes()) lane->wake.notify_all();
    for (std::thread& thread : threads_) thread.join();
    for (Lane* lane : lanes()) {
      for (Job& job : lane->waiting) Conclude(job, Abandon(job, Stopped()));
    }
  }

  Result<TaskRecord> Start(ImportRequest request);

 private:
  std::array<Lane*, 2> lanes() noexcept { return {&staged_, &web_}; }
  Lane& LaneOf(ImportMethod method) noexcept { return method == ImportMethod::kWeb ? web_ : staged_; }
  Result<> CheckRoom(const Lane& lane, const std::string& owner);
  void Work(Lane& lane);
  Result<> Run(const Job& job);
  Result<std::unique_ptr<ByteSource>> Open(const ImportRequest& request) const;
  Result<> Copy(Upload& upload, ByteSource& source) const;
  Result<> NoteFailedStores(const std::string& image, const std::vector<std::string>& stores) const;
  Error Abandon(const Job& job, Error error) const;
  void Conclude(Job& job, const Result<>& outcome) const;

  const IngestContext& context_;
  const StagingArea& staging_;
  const ImportOptions options_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  Lane staged_, web_;  // guarded by mutex_ until the threads are gone
  std::vector<std::thread> threads_;
};

// The task first: an image in importing always has one to look at.
Result<TaskRecord> Imports::Impl::Start(ImportRequest request) {
  const ImageRecord image = PLATTER_TRY(context_.catalog.Find(request.image));
  PLATTER_CHECK(CheckState(image, request.method));
  for (const std::string& name : request.targets.stores) {
    const Store* store = name.empty() ? nullptr : context_.stores.Find(name);
    if (!name.empty() && store == nullptr) {
      return Error(ErrorKind::kInvalid, "there is no store of that name").Found(name);
    }
  }
  auto claim = PLATTER_TRY(staging_.Claim(image.id));
  Job job{std::move(request), {}, std::move(claim)};
  TaskRecord& task = job.task;
  task.id = NewIdentifier();
  task.type = "api_image_import";
  task.status = "pending";
  task.image = image.id;
  task.owner = job.request.owner;
  task.user = job.request.user;
  task.request = job.request.request;
  task.input = std::move(job.request.input);
  task.created = task.updated = Now();
  Lane& lane = LaneOf(job.request.method);
  PLATTER_CHECK(CheckRoom(lane, task.owner));
  PLATTER_CHECK(context_.catalog.InsertTask(task));
  auto moved = context_.catalog.Change(image.id, [&](ImageRecord& record) -> Result<> {
    PLATTER_CHECK(CheckState(record, job.request.method));
    record.status = Status::kImporting;
    record.properties.erase(std::string(kFailedStores));
    record.updated = Now();
    return Done{};
  });
  if (!moved.ok()) {
    Conclude(job, Error(moved.error().kind(), moved.error().what()));
    return std::move(moved).error();
  }
  TaskRecord stored = task;
  {
    const std::lock_guard lock(mutex_);
    lane.waiting.push_back(std::move(job));
  }
  lane.wake.notify_one();
  return stored;
}

Result<> Imports::Impl::CheckRoom(const Lane& lane, const std::string& owner) {
  const std::lock_guard lock(mutex_);
  if (lane.waiting.size() >= options_.waiting) return Error(ErrorKind::kLimit, "too many imports wait already");
  if (lane.WaitingOf(owner) >= std::max<std::size_t>(options_.waiting / 4, 1)) {
    return Error(ErrorKind::kLimit, "too many imports of this project wait already");
  }
  return Done{};
}

void Imports::Impl::Work(Lane& lane) {
  for (;;) {
    std::unique_lock lock(mutex_);
    auto next = lane.waiting.end();
    lane.wake.wait(lock, [&] { return stopping_ || (next = lane.Next()) != lane.waiting.end(); });
    if (stopping_) return;
    Job job = std::move(*next);
    lane.waiting.erase(next);
    ++lane.running[job.request.owner];
    lock.unlock();
    job.task.status = "processing";
    job.task.updated = Now();
    // A task that cannot be told so is told what came of it, later.
    (void)context_.catalog.UpdateTask(job.task);
    Conclude(job, Run(job));
    lock.lock();
    if (--lane.running[job.request.owner] == 0) lane.running.erase(job.request.owner);
    // One that another thread could not take may come next now.
    lane.wake.notify_one();
  }
}

Result<> Imports::Impl::Run(const Job& job) {
  const ImportRequest& request = job.request;
  auto source = Open(request);
  if (!source.ok()) return Abandon(job, std::move(source).error());
  // The open file is enough. Once the record is back in queued, what is staged under the image's name is another's.
  (void)staging_.Remove(request.image);
  // Its inspection ends with the imports.
  IngestContext context = context_;
  context.cancelled = [this] { return stopping_ || (context_.cancelled && context_.cancelled()); };
  auto upload = Upload::Begin(context, request.image, Upload::Way::kImport, request.targets, source.value()->size());
  if (!upload.ok()) return Abandon(job, std::move(upload).error());
  auto copied = Copy(*upload.value(), *source.value());
  const std::vector<std::string> failed_stores = upload.value()->failed_stores();
  // Its end puts the record back.
  upload.value().reset();
  if (copied.ok() && !failed_stores.empty()) return NoteFailedStores(request.image, failed_stores);
  return copied;
}

Result<std::unique_ptr<ByteSource>> Imports::Impl::Open(const ImportRequest& request) const {
  if (request.method == ImportMethod::kWeb) {
    return options_.fetch(request.url, [this] { return stopping_.load(); });
  }
  const auto url = PLATTER_TRY(staging_.Find(request.image));
  if (!url) return Error(ErrorKind::kNotFound, "what was staged for the image is not there");
  auto reader = PLATTER_TRY(staging_.store().Get(*url));
  return std::unique_ptr<ByteSource>(std::make_unique<StagedSource>(std::move(reader)));
}

Result<> Imports::Impl::Copy(Upload& upload, ByteSource& source) const {
  std::vector<std::byte> piece(kPiece);
  for (;;) {
    if (stopping_) return Stopped();
    const std::size_t count = PLATTER_TRY(source.ReadSome(piece));
    if (count == 0) break;
    PLATTER_CHECK(upload.Feed(std::span(piece).first(count)));
  }
  PLATTER_CHECK(upload.Finish());
  return Done{};
}

Result<> Imports::Impl::NoteFailedStores(const std::string& image, const std::vector<std::string>& stores) const {
  PLATTER_CHECK(context_.catalog.Change(image, [&](ImageRecord& record) -> Result<> {
    record.properties[std::string(kFailedStores)] = fmt::format("{}", fmt::join(stores, ","));
    return Done{};
  }));
  return Done{};
}

// For an import that no Upload has taken over.
Error Imports::Impl::Abandon(const Job& job, Error error) const {
  (void)staging_.Remove(job.request.image);
  (void)context_.catalog.Change(job.request.image, [](ImageRecord& record) -> Result<> {
    if (record.status != Status::kImporting) return Error(ErrorKind::kCancelled, "the image is not being imported");
    Requeue(record);
    return Done{};
  });
  return error;
}

void Imports::Impl::Conclude(Job& job, const Result<>& outcome) const {
  TaskRecord& task = job.task;
  task.status = outcome.ok() ? "success" : "failure";
  // Whoever is to blame for it may have put anything into its words.
  task.message = outcome.ok() ? "" : PlainText(outcome.error().Describe(), kLongestMessage);
  task.result = outcome.ok() ? JsonObject().Text("image_id", task.image).Finish() : "";
  task.updated = Now();
  task.expires = task.updated + kTaskLifetime;
  // A database that is away leaves the task as it is, for a sweep.
  const auto told = context_.catalog.UpdateTask(task);
  if (!told.ok()) task.message += fmt::format("; its task does not say so: {}", told.error().Describe());
  job.claim.reset();
  if (options_.observe) options_.observe(task, outcome.ok() ? nullptr : &outcome.error());
}

Imports::Imports(const IngestContext& context, const StagingArea& staging, ImportOptions options)
    : impl_(std::make_unique<Impl>(context, staging, std::move(options))) {}
Imports::~Imports() = default;

Result<TaskRecord> Imports::Start(ImportRequest request) { return impl_->Start(std::move(request)); }

}  // namespace platter::registry
