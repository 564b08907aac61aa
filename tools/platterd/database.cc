#include "tools/platterd/database.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "registry-core/catalog/catalog.h"
#include "tools/print.h"

namespace platter::platterd {
namespace {

constexpr int kNeedsSync = 3;

Result<int> Sync(const registry::DatabaseUrl& url) {
  const auto state = PLATTER_TRY(registry::Migrate(url, [](std::string_view step) { PrintText("{}\n", step); }));
  PrintText("Database is synced: version {} of the schema.\n", state.wanted);
  return 0;
}

Result<int> Version(const registry::DatabaseUrl& url) {
  PrintText("{}\n", PLATTER_TRY(registry::ReadSchemaState(url)).found);
  return 0;
}

Result<int> Check(const registry::DatabaseUrl& url) {
  const registry::SchemaState state = PLATTER_TRY(registry::ReadSchemaState(url));
  if (state.found == state.wanted) {
    PrintText("The schema is up to date: version {}.\n", state.found);
    return 0;
  }
  if (state.found > state.wanted) {
    return Error(ErrorKind::kUnsupported, "the database's schema is newer than this program")
        .Found(state.found)
        .Allowed(fmt::format("{} at most", state.wanted));
  }
  PrintText("The schema is at version {} and has to be at {}: run `platterd db sync`.\n", state.found, state.wanted);
  return kNeedsSync;
}

Result<int> Purge(const registry::DatabaseUrl& url, const PurgeOptions& purge) {
  constexpr std::uint64_t kAtOnce = 100;
  const auto most = std::chrono::floor<std::chrono::days>(registry::Now().time_since_epoch()).count();
  if (purge.age_in_days > static_cast<std::uint64_t>(most)) {
    return Error(ErrorKind::kInvalid, "--age_in_days reaches back before 1970")
        .Found(purge.age_in_days)
        .Allowed(fmt::format("0 to {}", most));
  }
  // Nobody waits for an answer but who has called it.
  const auto catalog = PLATTER_TRY(registry::Catalog::Open(url, {.statement_seconds = 0}, false));
  const auto before = registry::Now() - std::chrono::days(purge.age_in_days);
  std::uint64_t removed = 0;
  for (bool more = true; more;) {
    const std::uint64_t left = purge.max_rows == 0 ? kAtOnce : std::min(kAtOnce, purge.max_rows - removed);
    const std::uint64_t now = PLATTER_TRY(catalog->Purge(before, static_cast<std::uint32_t>(left)));
    removed += now;
    more = now == kAtOnce;
  }
  PrintText("Removed {} records of images that were deleted over {} days ago.\n", removed, purge.age_in_days);
  return 0;
}

}  // namespace

Result<int> RunDatabaseVerb(std::string_view database, std::string_view verb, const PurgeOptions& purge) {
  const auto url = PLATTER_TRY(registry::DatabaseUrl::Parse(database));
  if (verb == "sync") return Sync(url);
  if (verb == "version") return Version(url);
  if (verb == "check") return Check(url);
  if (verb == "purge") return Purge(url, purge);
  return Error(ErrorKind::kInvalid, fmt::format("there is no verb db {}", verb)).Allowed("sync, version, check, purge");
}

}  // namespace platter::platterd
