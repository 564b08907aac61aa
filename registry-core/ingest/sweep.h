// Sweep: what processes that were killed have left is put in order.
//
// Signs of life. Whoever works on an image has a locked name in a store (Store::List says busy): an upload in the store
// that its bytes go to, from before the record leaves queued until after it is active or queued again; an import in the
// staging area. The kernel ends the lock with its process. A sweep reads the records first and the locks afterwards: a
// record that was in saving, uploading or importing, has nobody who is busy, and is still of the version that was read,
// is nobody's. So any number of processes may work and sweep at once, as long as they share the stores' folders and the
// staging folder.
//
// What is removed. Only what is unfinished in a store (nobody settled it) and is not named by the record of its image.
// A finished object that no record names is reported and left alone unless `remove_unnamed` says otherwise: with the
// wrong database, or one that was restored from last week, that may be every image there is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/catalog/catalog.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/stores/store.h"

namespace platter::registry {

struct SweepOptions {
  // Every object and every active record is looked at, too: for the start, and now and then.
  bool look_at_all = true;
  bool remove_unnamed = false;
};

struct SweepReport {
  std::vector<std::string> requeued;      // images that nobody worked on any more, now in queued
  std::vector<std::string> failed_tasks;  // of imports that nobody worked on any more
  std::uint64_t leftovers = 0;            // writes that were never committed, removed
  std::vector<std::string> orphans;       // URLs of objects that were removed
  std::uint64_t settled = 0;              // writes whose record had become active, or removals that had not begun
  std::vector<std::string> unnamed;       // URLs of finished objects that no record names
  // Active images whose bytes are gone, or fewer or more than they were: "ID URL". Never hidden, never deleted.
  std::vector<std::string> lost;
  std::vector<std::string> problems;  // what could not be put in order now, a sentence each
};

// `staging`: null where there is none; images in uploading and importing are then let be. kIo where the catalog or a
// store's folder cannot be read.
Result<SweepReport> Sweep(Catalog& catalog, const StoreSet& stores, const StagingArea* staging,
                          const SweepOptions& options = {});

}  // namespace platter::registry
