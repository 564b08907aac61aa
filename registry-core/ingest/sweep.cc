#include "registry-core/ingest/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace platter::registry {
namespace {

constexpr std::uint32_t kPage = 500;

class Sweeper {
 public:
  Sweeper(Catalog& catalog, const StoreSet& stores, const StagingArea* staging, const SweepOptions& options)
      : catalog_(catalog), stores_(stores), staging_(staging), options_(options) {}

  Result<SweepReport> Run();

 private:
  Result<> ReadWork();
  Result<> ReadStores();
  Result<> List(Store& store, bool all);
  Result<> EndTasks();
  Result<> ForgetTasks();
  Result<> Requeue();
  Result<> ResolveUnfinished();
  Result<> LookAtFinished();
  Result<> LookAtActive();
  bool Abandoned(const ImageRecord& image) const;
  Result<bool> Named(Store& store, const Store::Listed& listed, bool* known);
  void Problem(std::string_view what, const Error& error) {
    report_.problems.push_back(fmt::format("{}: {}", what, error.Describe()));
  }

  Catalog& catalog_;
  const StoreSet& stores_;
  const StagingArea* const staging_;
  const SweepOptions options_;
  SweepReport report_;
  std::vector<ImageRecord> under_way_;
  std::vector<TaskRecord> tasks_;
  std::set<std::string> busy_;    // images
  std::set<std::string> staged_;  // images that have all their bytes in the staging area
  std::vector<std::pair<Store*, Store::Listed>> unfinished_;
  std::vector<std::pair<Store*, Store::Listed>> finished_;
};

Result<SweepReport> Sweeper::Run() {
  PLATTER_CHECK(ReadWork());
  PLATTER_CHECK(ReadStores());
  PLATTER_CHECK(EndTasks());
  PLATTER_CHECK(ForgetTasks());
  PLATTER_CHECK(Requeue());
  PLATTER_CHECK(ResolveUnfinished());
  PLATTER_CHECK(LookAtFinished());
  if (options_.look_at_all) PLATTER_CHECK(LookAtActive());
  return std::move(report_);
}

Result<> Sweeper::ReadWork() {
  const std::vector<Status> states = {Status::kSaving, Status::kUploading, Status::kImporting};
  for (std::string after;;) {
    std::vector<ImageRecord> page = PLATTER_TRY(catalog_.InStates(states, after, kPage));
    if (page.empty()) break;
    after = page.back().id;
    std::ranges::move(page, std::back_inserter(under_way_));
  }
  for (const char* status : {"pending", "processing"}) {
    TaskQuery query;
    query.viewer.admin = true;
    query.type = "api_image_import";
    query.status = status;
    query.limit = kPage;
    for (;;) {
      std::vector<TaskRecord> page = PLATTER_TRY(catalog_.ListTasks(query));
      if (page.empty()) break;
      query.marker = page.back().id;
      std::ranges::move(page, std::back_inserter(tasks_));
    }
  }
  return Done{};
}

Result<> Sweeper::List(Store& store, bool all) {
  const bool staging = staging_ != nullptr && &store == &staging_->store();
  return store.List(all ? Store::Scope::kAll : Store::Scope::kUnfinished, [&](const Store::Listed& listed) -> Result<> {
    if (listed.busy) busy_.insert(listed.image_id);
    if (staging && !listed.url.empty()) staged_.insert(listed.image_id);
    if (!listed.busy) (listed.unfinished ? unfinished_ : finished_).emplace_back(&store, listed);
    return Done{};
  });
}

Result<> Sweeper::ReadStores() {
  for (const std::shared_ptr<Store>& store : stores_.all()) PLATTER_CHECK(List(*store, options_.look_at_all));
  if (staging_ != nullptr) PLATTER_CHECK(List(staging_->store(), true));
  return Done{};
}

Result<> Sweeper::ForgetTasks() {
  while (PLATTER_TRY(catalog_.PurgeTasks(Now(), kPage)) == kPage) continue;
  return Done{};
}

Result<> Sweeper::EndTasks() {
  if (staging_ == nullptr) return Done{};
  for (const TaskRecord& seen : tasks_) {
    if (busy_.contains(seen.image)) continue;
    // An import that came to its end since then has said so before it gave up its lock.
    auto found = catalog_.FindTask(seen.id);
    if (!found.ok() && found.error().kind() == ErrorKind::kNotFound) continue;
    TaskRecord task = PLATTER_TRY(std::move(found));
    if (task.status != "pending" && task.status != "processing") continue;
    task.status = "failure";
    task.message = "the service ended while the image was imported";
    task.updated = Now();
    task.expires = task.updated + kTaskLifetime;
    auto updated = catalog_.UpdateTask(task);
    if (updated.ok()) {
      report_.failed_tasks.push_back(task.id);
    } else if (updated.error().kind() != ErrorKind::kNotFound) {
      return updated;
    }
  }
  return Done{};
}

bool Sweeper::Abandoned(const ImageRecord& image) const {
  if (busy_.contains(image.id)) return false;
  if (image.status == Status::kSaving) return true;
  if (staging_ == nullptr) return false;
  return image.status == Status::kImporting || !staged_.contains(image.id);
}

Result<> Sweeper::Requeue() {
  for (const ImageRecord& image : under_way_) {
    if (!Abandoned(image)) continue;
    auto changed = catalog_.Change(image.id, [&](ImageRecord& record) -> Result<> {
      // Whoever moved it meanwhile was alive.
      if (record.status != image.status || record.version != image.version) {
        return Error(ErrorKind::kCancelled, "the image has changed");
      }
      registry::Requeue(record);
      return Done{};
    });
    if (changed.ok()) {
      report_.requeued.push_back(image.id);
    } else if (changed.error().kind() == ErrorKind::kIo) {
      return std::move(changed).error();
    }
  }
  return Done{};
}

// Whether the catalog wants the object to be there; `known`: it knows the image at all.
Result<bool> Sweeper::Named(Store& store, const Store::Listed& listed, bool* known) {
  auto image = catalog_.Find(listed.image_id, true);
  *known = image.ok();
  if (!image.ok() && image.error().kind() != ErrorKind::kNotFound) return std::move(image).error();
  if (!image.ok() || listed.url.empty()) return false;
  const Status status = image.value().status;
  if (staging_ != nullptr && &store == &staging_->store()) {
    return status == Status::kUploading || status == Status::kImporting;
  }
  if (!HasBytes(status) && status != Status::kPendingDelete) return false;
  return std::ranges::find(image.value().locations, listed.url, &Location::url) != image.value().locations.end();
}

Result<> Sweeper::ResolveUnfinished() {
  for (const auto& [store, listed] : unfinished_) {
    bool known = false;
    const bool named = PLATTER_TRY(Named(*store, listed, &known));
    auto resolved = store->Resolve(listed, named);
    if (!resolved.ok() && resolved.error().kind() == ErrorKind::kConflict) continue;  // another sweep has it
    if (!resolved.ok()) {
      Problem(fmt::format("a leftover of image {} in {}", listed.image_id, store->name()), resolved.error());
    } else if (named) {
      ++report_.settled;
    } else if (listed.url.empty()) {
      ++report_.leftovers;
    } else {
      report_.orphans.push_back(listed.url);
    }
  }
  return Done{};
}

Result<> Sweeper::LookAtFinished() {
  for (const auto& [store, listed] : finished_) {
    bool known = false;
    if (PLATTER_TRY(Named(*store, listed, &known))) continue;
    const auto size = store->SizeOf(listed.url);
    if (!size.ok() && size.error().kind() == ErrorKind::kNotFound) continue;  // deleted meanwhile
    // What was staged for an image that this catalog knows, and that is not being imported, is waited for by nobody.
    const bool staged = staging_ != nullptr && store == &staging_->store() && known && !busy_.contains(listed.image_id);
    if (!staged && !options_.remove_unnamed) {
      report_.unnamed.push_back(listed.url);
      continue;
    }
    const auto removed = store->Delete(listed.url);
    if (removed.ok()) {
      report_.orphans.push_back(listed.url);
    } else if (removed.error().kind() != ErrorKind::kNotFound) {
      Problem(fmt::format("an object that no image names, {}", listed.url), removed.error());
    }
  }
  return Done{};
}

Result<> Sweeper::LookAtActive() {
  for (std::string after;;) {
    const std::vector<ImageRecord> page =
        PLATTER_TRY(catalog_.InStates({Status::kActive, Status::kDeactivated}, after, kPage));
    if (page.empty()) return Done{};
    after = page.back().id;
    for (const ImageRecord& image : page) {
      for (const Location& location : image.locations) {
        Store* store = stores_.FindFor(location.url);
        if (store == nullptr || store->read_only()) continue;  // not ours to look after
        const auto size = store->SizeOf(location.url);
        if (size.ok() ? size.value() == image.size.value_or(size.value()) : size.error().kind() == ErrorKind::kIo) {
          if (!size.ok()) Problem(fmt::format("image {}", image.id), size.error());
          continue;
        }
        // It may have been deleted since the page was read.
        const auto now = catalog_.Find(image.id);
        if (!now.ok() || now.value().version != image.version) continue;
        report_.lost.push_back(fmt::format("{} {}", image.id, location.url));
      }
    }
  }
}

}  // namespace

Result<SweepReport> Sweep(Catalog& catalog, const StoreSet& stores, const StagingArea* staging,
                          const SweepOptions& options) {
  return Sweeper(catalog, stores, staging, options).Run();
}

}  // namespace platter::registry
