#include "tools/platterd/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "registry-core/catalog/catalog.h"
#include "registry-core/ingest/imports.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/ingest/web_source.h"
#include "registry-core/stores/file_store.h"
#include "registry-core/stores/http_store.h"
#include "registry-core/web/web_rules.h"
#include "tools/platterd/auth/keystone.h"
#include "tools/platterd/service/sweeper.h"
#include "tools/platterd/v2/routes.h"

namespace platter::platterd {
namespace {

// Set once, for all that reads from stores.
using Flag = std::shared_ptr<std::atomic<bool>>;

registry::WebOptions WebOf(const Settings& settings) {
  registry::WebOptions options;
  options.rules = settings.download;
  return options;
}

std::shared_ptr<registry::Store> OpenHttpStore(const Settings& settings, const StoreSettings& store,
                                               const Flag& give_up) {
  registry::HttpStoreOptions options{store.name, WebOf(settings)};
  options.web.ca_file = store.ca_file;
  options.web.insecure = store.insecure;
  options.web.cancelled = [give_up] { return give_up->load(); };
  return std::make_shared<registry::HttpStore>(std::move(options));
}

Result<std::shared_ptr<registry::Store>> OpenFileStore(const StoreSettings& settings) {
  registry::FileStoreOptions options;
  options.name = settings.name;
  for (const auto& [path, priority] : settings.folders) options.folders.push_back({path, priority});
  options.file_mode = settings.file_mode;
  options.sparse = settings.sparse;
  return std::shared_ptr<registry::Store>(PLATTER_TRY(registry::FileStore::Open(std::move(options))));
}

Result<registry::StoreSet> OpenStores(const Settings& settings, const Flag& give_up) {
  std::vector<std::shared_ptr<registry::Store>> stores;
  for (const StoreSettings& each : settings.stores) {
    stores.push_back(each.type == "http" ? OpenHttpStore(settings, each, give_up) : PLATTER_TRY(OpenFileStore(each)));
  }
  return registry::StoreSet::Make(std::move(stores), settings.default_store);
}

Result<registry::StagingArea> OpenStaging(const Settings& settings) {
  registry::FileStoreOptions options;
  options.name = "staging";
  options.folders = {{settings.staging}};
  return registry::StagingArea(PLATTER_TRY(registry::FileStore::Open(std::move(options))));
}

std::unique_ptr<Authenticator> MakeAuthenticator(const Settings& settings, Log& log) {
  if (!settings.keystone) return std::make_unique<NoAuthentication>();
  return std::make_unique<Keystone>(*settings.keystone, [&log](std::string_view trouble) {
    log.Write(Log::Level::kError, "identity service", {{"reason", std::string(trouble)}});
  });
}

void TellImport(Log& log, Metrics& metrics, const registry::TaskRecord& task, const Error* error) {
  const bool refused = error != nullptr && error->kind() == ErrorKind::kDenied;
  metrics.CountVerdict(error == nullptr ? "accepted" : refused ? "refused" : "failed");
  log.Write(error == nullptr ? Log::Level::kInfo : Log::Level::kWarning, "import",
            {{"task", task.id}, {"image", task.image}, {"status", task.status}, {"reason", task.message}});
}

// The folder that a path leads to, whether it is there yet or not.
std::filesystem::path Resolved(const std::string& path) {
  std::error_code error;
  auto resolved = std::filesystem::weakly_canonical(path, error);
  if (error) resolved = std::filesystem::path(path).lexically_normal();
  return resolved.has_filename() ? resolved : resolved.parent_path();
}

// Whether the folder is that one, or lies in it.
bool IsWithin(const std::string& folder, const std::string& outer) {
  std::error_code error;
  if (std::filesystem::equivalent(folder, outer, error)) return true;
  const std::filesystem::path inside = Resolved(folder);
  const std::filesystem::path around = Resolved(outer);
  return std::ranges::mismatch(around, inside).in1 == around.end();
}

Result<> CheckApart(const std::string& folder, const StoreSettings& store, const StoreSettings& other) {
  for (const auto& [outer, priority] : other.folders) {
    if (!IsWithin(folder, outer)) continue;
    return Error(ErrorKind::kInvalid, "two stores share a folder, or that of one lies in the other's")
        .In(folder)
        .Found(fmt::format("store {}: {}, store {}: {}", store.name, folder, other.name, outer))
        .Try("give each filesystem_store_datadir a folder of its own");
  }
  return Done{};
}

}  // namespace

Result<> CheckFolders(const Settings& settings) {
  for (const StoreSettings& store : settings.stores) {
    for (const auto& [folder, priority] : store.folders) {
      if (IsWithin(folder, settings.staging) && IsWithin(settings.staging, folder)) {
        return Error(ErrorKind::kInvalid, "the staging area and a store are the same folder")
            .In(settings.staging)
            .Found(fmt::format("a folder of the store {}", store.name))
            .Try(
                "give it a folder of its own: [DEFAULT] node_staging_uri, or with enabled_backends "
                "[os_glance_staging_store] filesystem_store_datadir");
      }
      for (const StoreSettings& other : settings.stores) {
        if (&other != &store) PLATTER_CHECK(CheckApart(folder, store, other));
      }
    }
  }
  return Done{};
}

// In the order in which they lean on each other.
struct Registry::Parts {
  Parts(const Settings& settings, std::unique_ptr<registry::Catalog> opened, registry::StoreSet opened_stores,
        registry::StagingArea opened_staging, std::shared_ptr<DigestPool> digests, Flag flag, Log& log,
        Metrics& metrics)
      : give_up(std::move(flag)),
        options(settings.api),
        catalog(std::move(opened)),
        stores(std::move(opened_stores)),
        staging(std::move(opened_staging)),
        unpack_memory(settings.unpack_memory),
        ingest{*catalog,        stores,         std::move(digests),
               settings.ingest, &unpack_memory, [this] { return give_up->load(); }},
        imports(ingest, staging, ImportsOf(settings, log, metrics)),
        authenticator(MakeAuthenticator(settings, log)),
        readers_of_locations(std::max(settings.server.workers / 4, 1U)),
        backend{
            options,
            ingest,
            staging,
            imports,
            {},
            [rules = settings.download](const std::string& url) -> Result<> {
              PLATTER_CHECK(registry::CheckUrl(rules, url));
              return Done{};
            },
            [&metrics](std::string_view verdict) { metrics.CountVerdict(verdict); },
            readers_of_locations,
            [&log](const std::string& image, const std::string& key) {
              log.Write(Log::Level::kWarning, "an encryption key was left behind", {{"image", image}, {"key", key}});
            }},
        api(backend, *authenticator),
        sweeper(*catalog, stores, staging, log) {
    for (const StoreSettings& store : settings.stores) backend.store_descriptions[store.name] = store.description;
  }

  static registry::ImportOptions ImportsOf(const Settings& settings, Log& log, Metrics& metrics) {
    registry::ImportOptions options;
    options.at_once = settings.imports_at_once;
    options.fetch = [web = WebOf(settings), pace = settings.download_pace](const std::string& url,
                                                                           std::function<bool()> cancelled) {
      return registry::OpenWebSource(web, url, std::move(cancelled), pace);
    };
    options.observe = [&log, &metrics](const registry::TaskRecord& task, const Error* error) {
      TellImport(log, metrics, task, error);
    };
    return options;
  }

  const Flag give_up;
  const ApiOptions options;
  const std::unique_ptr<registry::Catalog> catalog;
  registry::StoreSet stores;
  const registry::StagingArea staging;
  registry::UnpackMemory unpack_memory;
  const registry::IngestContext ingest;
  registry::Imports imports;
  const std::unique_ptr<Authenticator> authenticator;
  Slots readers_of_locations;
  Backend backend;
  ImageApi api;
  Sweeper sweeper;
};

Result<std::unique_ptr<Registry>> Registry::Open(const Settings& settings, bool migrate, Log& log, Metrics& metrics) {
  const auto url = PLATTER_TRY(registry::DatabaseUrl::Parse(settings.database));
  registry::CatalogOptions options = settings.catalog;
  options.observe = [&metrics](double seconds) { metrics.AddDatabaseTime(seconds); };
  auto catalog = PLATTER_TRY(registry::Catalog::Open(url, options, migrate));
  const auto give_up = std::make_shared<std::atomic<bool>>(false);
  auto stores = PLATTER_TRY(OpenStores(settings, give_up));
  auto staging = PLATTER_TRY(OpenStaging(settings));
  PLATTER_CHECK(CheckFolders(settings));
  auto digests = PLATTER_TRY(DigestPool::Make(std::max(std::thread::hardware_concurrency(), 2U)));
  auto parts = std::make_unique<Parts>(settings, std::move(catalog), std::move(stores), std::move(staging),
                                       std::move(digests), give_up, log, metrics);
  PLATTER_CHECK(parts->sweeper.Once());
  parts->sweeper.Start();
  return std::unique_ptr<Registry>(new Registry(std::move(parts)));
}

Registry::Registry(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Registry::~Registry() = default;

http::Service& Registry::api() noexcept { return parts_->api; }

void Registry::GiveUp() noexcept { *parts_->give_up = true; }

Result<> Registry::Health() {
  const auto answered = parts_->catalog->Ping();
  if (answered.ok()) return Done{};
  return Error(ErrorKind::kIo, "the database is away").Found(answered.error().Describe());
}

}  // namespace platter::platterd
