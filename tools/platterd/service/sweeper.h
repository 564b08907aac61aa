// Sweeper: puts in order what killed processes have left, at the start and now and then.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "formats/core/result.h"
#include "registry-core/catalog/catalog.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/stores/store.h"
#include "tools/platterd/service/log.h"

namespace platter::platterd {

class Sweeper {
 public:
  // What is passed outlives it.
  Sweeper(registry::Catalog& catalog, const registry::StoreSet& stores, const registry::StagingArea& staging, Log& log)
      : catalog_(catalog), stores_(stores), staging_(staging), log_(log) {}
  // Waits for a sweep that is under way.
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  // Looks at what is unfinished, at once, and writes what was found into the log.
  Result<> Once();
  // From now on, in the background: everything, then what is unfinished every few minutes and everything once a day.
  void Start();

 private:
  Result<> Run(bool look_at_all);
  void Work();

  registry::Catalog& catalog_;
  const registry::StoreSet& stores_;
  const registry::StagingArea& staging_;
  Log& log_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace platter::platterd
