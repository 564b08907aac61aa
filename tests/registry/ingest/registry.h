// A registry in a folder of its own: catalog on SQLite, file stores, digests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "registry-core/ingest/staging.h"
#include "registry-core/ingest/upload.h"
#include "registry-core/stores/file_store.h"
#include "tests/support/noise.h"
#include "tests/support/temp_dir.h"

namespace platter::registry {

using Bytes = std::vector<std::byte>;

using test::Noise;

// The folder "staging" in `home`.
inline StagingArea OpenStaging(const std::string& home) {
  FileStoreOptions options;
  options.name = "staging";
  options.folders = {{home + "/staging"}};
  return StagingArea(FileStore::Open(options).value());
}

struct Registry {
  // `folder`: there or made; several at once on one folder are as several processes.
  // `more`: stores beside the two in the folder.
  explicit Registry(const std::string& folder, IngestRules rules = {}, std::vector<std::shared_ptr<Store>> more = {})
      : home(folder),
        catalog(OpenCatalog(folder)),
        stores(OpenStores(folder, std::move(more))),
        context{*catalog, stores, DigestPool::Make(2).value(), std::move(rules)} {}

  static std::unique_ptr<Catalog> OpenCatalog(const std::string& folder) {
    std::filesystem::create_directories(folder);
    auto opened = Catalog::Open(DatabaseUrl::Parse("sqlite:///" + folder + "/registry.sqlite").value(), {}, true);
    EXPECT_TRUE(opened.ok()) << opened.error().Describe();
    return std::move(opened).value();
  }
  static StoreSet OpenStores(const std::string& folder, std::vector<std::shared_ptr<Store>> stores) {
    for (const std::string name : {"file", "other"}) {
      FileStoreOptions options;
      options.name = name;
      options.folders = {{std::filesystem::path(folder) / name}};
      stores.push_back(FileStore::Open(options).value());
    }
    return StoreSet::Make(std::move(stores), "file").value();
  }

  ImageRecord Queued(const std::string& disk, const std::string& container = "bare", const std::string& owner = "us") {
    ImageRecord image;
    image.id = NewIdentifier();
    image.owner = owner;
    image.disk_format = disk;
    image.container_format = container;
    image.created = image.updated = Now();
    auto inserted = catalog->Insert(image);
    EXPECT_TRUE(inserted.ok()) << inserted.error().Describe();
    return inserted.value();
  }
  // All of it, in pieces of that size.
  Result<ImageRecord> Uploaded(const ImageRecord& image, std::span<const std::byte> bytes, Refusal* refusal = nullptr,
                               std::size_t piece = std::size_t{256} << 10) {
    auto upload = PLATTER_TRY(Upload::Begin(context, image.id, Upload::Way::kDirect, "", bytes.size()));
    while (!bytes.empty()) {
      const std::size_t part = std::min(piece, bytes.size());
      auto fed = upload->Feed(bytes.first(part));
      if (refusal != nullptr) *refusal = upload->refusal();
      if (!fed.ok()) return std::move(fed).error();
      bytes = bytes.subspan(part);
    }
    auto finished = upload->Finish();
    if (refusal != nullptr) *refusal = upload->refusal();
    return finished;
  }
  Status StatusOf(const std::string& id) { return catalog->Find(id, true).value().status; }
  // Regular files in the stores' folders, temporary ones too.
  std::size_t Files() const {
    std::size_t files = 0;
    for (const std::string name : {"file", "other", "staging"}) {
      if (!std::filesystem::exists(std::filesystem::path(home) / name)) continue;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(home) / name)) {
        files += entry.is_regular_file();
      }
    }
    return files;
  }

  const std::string home;
  std::unique_ptr<Catalog> catalog;
  StoreSet stores;
  IngestContext context;
};

}  // namespace platter::registry
